"""Show the list of an unpublished text, and where in the text each link would fit.

The text is neither stored nor logged.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from recommender import Recommender
from recommender.errors import InvalidArticle, OutOfRange
from recommender.features.feature_schema import FEATURES
from recommender.text.chunking import MAX_TEXT
from service.desk.page import page, read_form
from service.http.bounded_executor import Busy
from service.http.parameters import to_article
from service.http.request_models import Draft, Section, Title
from service.routes.related_articles import read_text

LENGTH = 10

router = APIRouter()


def _with_short_ends(given: Any) -> Any:
    return given.replace("\r\n", "\n") if isinstance(given, str) else given  # browsers count a line break as one character, but send two


class Pasted(BaseModel):
    """The fields of the form.

    Attributes:
        title: If it is missing, the text is read as a page pasted from a site.
    """

    model_config = ConfigDict(extra="forbid")

    title: Title = ""
    section: Section = ""
    text: Annotated[str, BeforeValidator(_with_short_ends), Field(max_length=MAX_TEXT)] = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a draft.

    Attributes:
        ranks: Ranks of the lines that fit this piece best. Empty: no link belongs here.
    """

    text: str
    ranks: tuple[int, ...]


@router.head("/desk/draft")
@router.get("/desk/draft")
def draft(request: Request) -> Response:
    """Return the form."""
    return page(request, "draft", {"pasted": Pasted(), "ours": None})


@router.post("/desk/draft")
async def related(request: Request) -> Response:
    """Return the list of the pasted text, as `POST /v1/related` computes it."""
    pasted = await read_form(request, Pasted)
    shown: dict[str, Any] = {"pasted": pasted, "ours": None}
    status, headers = 200, {}
    try:
        shown |= await read_text(request, len(pasted.text), lambda recommender: _related(recommender, pasted))
    except (InvalidArticle, OutOfRange) as error:
        status, shown["fault"] = 422, str(error)
    except Busy as error:
        status, shown["fault"], headers = 503, str(error), {"Retry-After": str(error.retry_after_s)}
    return await asyncio.to_thread(page, request, "draft", shown, status, headers)


def _related(recommender: Recommender, pasted: Pasted) -> dict[str, Any]:
    """Return the parsed draft, its list, and the text with the ranks that fit each piece."""
    draft = Draft(title=pasted.title, text=pasted.text, section=pasted.section or None) if pasted.title else pasted.text
    article = to_article(draft)
    ours = recommender.related_to(article, LENGTH, explain=True)
    fits = ((item.rank, item.passages.query) for item in ours if item.passages is not None)
    return {"article": article, "ours": ours, "text": marked(article.text, fits), "features": FEATURES}


def marked(text: str, fits: Iterable[tuple[int, str]]) -> list[Stretch]:
    """Cut a text into pieces where links would fit.

    Args:
        fits: Rank of each line, and the sentence that matches it best.

    >>> [(of.text, of.ranks) for of in marked("One. Two. Three.", [(1, "Two."), (2, "One."), (3, "Two."), (4, "Four.")])]
    [('One.', (2,)), (' ', ()), ('Two.', (1, 3)), (' Three.', ())]
    """
    ranks: dict[tuple[int, int], list[int]] = {}
    for rank, sentence in fits:
        begin = text.find(sentence) if sentence else -1
        if begin >= 0:
            ranks.setdefault((begin, begin + len(sentence)), []).append(rank)
    found: list[Stretch] = []
    done = 0
    for (begin, end), of in sorted(ranks.items()):
        if begin >= done:  # sentences overlap only if one is the end of another
            found += [Stretch(text[done:begin], ()), Stretch(text[begin:end], tuple(of))]
            done = end
    return [stretch for stretch in [*found, Stretch(text[done:], ())] if stretch.text]
