"""The reference of the commands is what the code says today."""

import re

from scripts.command import EXIT_CODES
from scripts.reference import reference
from tests.support.served import ROOT


def test_the_reference_is_current() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run `make reference`"


def test_the_reference_names_every_exit_code() -> None:
    named = re.findall(r"^\| ([\d, ]+) \|", reference(), re.MULTILINE)
    assert {int(code) for cell in named for code in cell.split(",")} == {0, 1, 143, *(code for _, code in EXIT_CODES)}
