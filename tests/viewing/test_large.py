"""Runs of 100,000 answers: what is read and sent for a page does not grow with them."""

import numpy as np
import pyarrow as pa
import pytest
from pandas import DataFrame

from trimtab.viewing import Site
from trimtab.viewing.choosing import ON_A_PAGE
from trimtab.viewing.rows import Rows

from .runs import address, shown, site_of, write_run

ROWS = 100_000
METHODS = 10
WIDE = {"prediction", "reason"}
"""Columns of long texts."""


def large(flip: int) -> DataFrame:
    number = np.arange(ROWS)
    item, method = number // METHODS, number % METHODS
    return DataFrame(
        {
            "id": [f"item-{one}" for one in item],
            "task": np.array(["color", "counting", "sport"])[item % 3],
            "model": "pocket-qwen",
            "method": [f"method-{one}" for one in method],
            "target": "image",
            "protocol": "open",
            "strength": 1.0,
            "chosen": True,
            "prediction": [f"a reply of some length to question {one}" for one in number],
            "label": np.where((item + method * flip) % 7 < 3, "image", "text"),
            "collapsed": item % 97 == 0,
            "reason": [f"mentions the answer {one}" for one in number],
            "unused": number * 1.5,
            "ratio": (item % 1000) / 1000,
        }
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    home = tmp_path_factory.mktemp("large")
    write_run(home / "a", large(0))
    write_run(home / "b", large(1))
    return site_of(home)


class Told:
    """What was read of tables: columns from the disk, and rows that became Python."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.columns: set[str] = set()
        self.rows = 0
        column, take = Rows.column, Rows.take

        def told_column(own: Rows, name: str) -> pa.Array:
            self.columns.add(name)
            return column(own, name)

        def told_take(own: Rows, places, columns):
            found = take(own, places, columns)
            self.rows += len(found)
            return found

        patch.setattr(Rows, "column", told_column)
        patch.setattr(Rows, "take", told_take)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"page": 2000},
        {"task": "color", "label": "image", "collapsed": "no"},
        {"ratio_from": "0.9", "sort": "-ratio"},
        {"search": "item-99", "page": 3},
    ],
)
def test_a_page_of_answers_holds_a_page(site, told, asked):
    page = shown(site, "/items", run="a", **asked)
    size = len(site.answer(address("/items", run="a", **asked)).body)
    assert told.rows == 2 * ON_A_PAGE
    assert "unused" not in told.columns
    assert len([one for one in page.all("tr") if not one]) == ON_A_PAGE + 1
    assert size < 100_000


def test_what_a_page_says_of_a_large_run_is_of_all_its_rows(site):
    text = shown(site, "/items", run="a", task="color", page=667).text
    own = large(0).query("task == 'color'")
    assert f"{len(own):,} answers, page 667 of 667" in text
    assert f"following rate {100 * (own.label == 'image').mean():.1f} %" in text


def test_an_item_of_a_large_run_reads_its_own_rows(site, told):
    shown(site, "/item", run="a", id="item-7777")
    assert told.rows == METHODS


def test_comparing_large_runs_reads_no_long_text(site, told):
    page = shown(site, "/compare", a="a", b="b")
    assert told.rows == 0
    assert told.columns == {"id", "label", "target", "collapsed", "strength", "chosen", "model", "method", "protocol"}
    assert "10000" in page.text
    assert len(site.answer("/compare?a=a&b=b").body) < 60_000


def test_items_that_flip_between_large_runs_come_by_pages(site, told):
    compare = shown(site, "/compare", a="a", b="b")
    flips = next(one for one in compare.goes_to if one.startswith("/flips") and "method-3" in one)
    answer = site.answer(flips)
    assert answer.body.count(b"<article") == 12
    assert told.rows == 24
    assert len(answer.body) < 40_000


def test_a_file_is_read_once_for_many_pages(site, monkeypatch):
    import pyarrow.parquet as parquet

    shown(site, "/items", run="a")
    opened = []
    monkeypatch.setattr(parquet, "ParquetFile", lambda *a, **k: opened.append(a))
    shown(site, "/items", run="a", page=5, task="color")
    assert opened == []
