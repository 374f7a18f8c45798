"""The page on answer matching says what the judge does."""

from pathlib import Path

import pytest

from trimtab.items import Item, judge

PAGE = Path(__file__).parents[2] / "docs" / "answers.md"


def rows() -> list[list[str]]:
    part = PAGE.read_text(encoding="utf-8").split("## What is understood")[1].split("## What is not")[0]
    table = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


@pytest.mark.parametrize(("image", "text", "reply", "label"), rows())
def test_every_row_of_the_page(image: str, text: str, reply: str, label: str):
    judgement = judge(reply, Item("1", "task", "?", answer_image=image, answer_text=text))
    assert (judgement.label, judgement.collapsed) == (label, False), judgement.reason


def test_the_page_has_rows():
    assert len(rows()) > 40
