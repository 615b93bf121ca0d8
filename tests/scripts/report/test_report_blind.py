"""The blind comparison of the report, in a real browser: what is voted is counted, and what is saved adds up."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser

from scripts.report import add_up
from scripts.report.figures import wilson
from tests.scripts.report.test_report import article, report
from tests.scripts.report.test_report_browser import begun, opened, votes_of, written_as


def test_blind_votes_are_counted_and_the_saved_file_adds_up(browser: Browser, tmp_path: Path) -> None:
    path = written_as(tmp_path, report(*(article(number, f"Title {number}") for number in range(23))))
    orders = []
    for visit in range(2):
        chance, ours_better, told, undecided = random.Random(visit), 0, 0, 0
        with opened(browser, path) as page:
            page.locator("#words").press("1")
            begun(page)
            for place in range(23):
                lists = [page.locator(f"#{id_} li > span").all_inner_texts() for id_ in ("first", "second")]
                assert list(map(len, lists)) == [2, 2], "the length tells nothing"
                trial = page.locator("#trial").inner_text().lower()
                assert not any(word in trial for word in ("by hand", "ours", "✓", "0.5", "passages", "of 2 found"))
                editors = "1" if any(title.endswith(" b") for title in lists[0]) else "2"
                assert page.locator("#question").inner_text() == "Which list is better?"
                better, guess = chance.choice("120"), chance.choice("120")
                if place % 2:
                    page.locator("#answers button").nth("120".index(better)).click()
                    page.locator("#answers button").nth("120".index(guess)).click()
                else:
                    page.keyboard.press(better)
                    assert page.locator("#question").inner_text() == "Which list is the editor's?"
                    page.keyboard.press(guess)
                ours_better += better not in ("0", editors)
                told += guess == editors
                undecided += better == "0"
                assert page.locator("#cast").inner_text() == str(place + 1)
            assert page.locator("#trial").is_hidden()
            assert page.evaluate("document.activeElement.id") == "save"
            file, saved = votes_of(page, tmp_path)
            votes = add_up([file])
            assert (votes.ours_better.hits, votes.ours_better.undecided, votes.editors_told.hits) == (ours_better, undecided, told)
            assert votes.n_articles == 23
            page.locator("#voting details").evaluate("of => { of.open = true; }")
            for id_, share in (("better", votes.ours_better), ("told", votes.editors_told)):
                low, high = (f"{100 * end:.0f}" for end in wilson(share.hits, share.decided))
                text = page.locator(f"#{id_}").inner_text().replace("\xa0", " ")
                assert text.startswith(f"{share.hits} of {share.decided}, ")
                assert text.endswith(f"(95 % interval {low} % to {high} %); undecided: {share.undecided}")
        orders.append([(vote["article"], vote["first"]) for vote in saved["votes"]])
        for start in range(0, 20, 4):
            assert Counter(first for _, first in orders[-1][start : start + 4]) == {"editors": 2, "ours": 2}, "mirrored evenly"
    assert [of for of, _ in orders[0]] != [of for of, _ in orders[1]], "each visit has its own order"
    assert add_up(list(tmp_path.glob("votes-*.json"))).n_visits == 2


def test_an_answer_can_be_taken_back_and_keys_count_only_there(browser: Browser, tmp_path: Path) -> None:
    path = written_as(tmp_path, report(*(article(number, f"Title {number}") for number in range(3))))
    with opened(browser, path) as page:
        assert page.locator("#voting").is_hidden()
        begun(page)
        first = page.locator("#asked").inner_text()
        page.keyboard.press("1")
        page.locator("#back").click()
        assert page.locator("#question").inner_text() == "Which list is better?"
        assert page.locator("#back").is_disabled()
        page.keyboard.press("1")
        page.keyboard.press("2")
        assert page.locator("#asked").inner_text() != first
        page.locator("#back").click()
        assert page.locator("#asked").inner_text() == first
        assert page.locator("#save").is_disabled()
        page.locator("#words").focus()
        page.keyboard.type("120")
        page.locator("#trial").focus()
        page.keyboard.press("Control+1")
        assert page.locator("#question").inner_text() == "Which list is better?"


def test_lists_that_cannot_be_told_apart_are_not_asked_about(browser: Browser, tmp_path: Path) -> None:
    of = article(1, "Title")
    same = replace(of, by_hand=of.by_hand[1:], ours=(replace(of.ours[1], published=of.by_hand[1].published),))
    with opened(browser, written_as(tmp_path, report(same, replace(of, ours=())))) as page:
        assert page.locator("#blind-section").is_hidden()
        assert page.locator("#to-blind").is_hidden()
