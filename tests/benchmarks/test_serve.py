"""The benchmark of serving: its ratios and its table."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks.serve.__main__ import CLIENTS, WAYS, summary
from benchmarks.serve.clients import Load
from benchmarks.serve.page import BEGIN, END, write


def told() -> dict[str, Any]:
    rates = {"bare": 10.0, "plain": 9.9}
    cells = {
        (clients, way): [Load(90, 90 / rates.get(way, 9.0) / factor, 0.5 * factor) for factor in (1.0, 2.0, 4.0)]
        for clients in CLIENTS
        for way in WAYS
    }
    about = {"model": "m", "compiled": False, "rounds": 3, "tokens": 16, "processors": 2, "machine": "x"}
    return about | {"cells": summary(cells)}


def test_ratios_are_those_of_one_round():
    cells = {(cell["clients"], cell["way"]): cell for cell in told()["cells"]}
    assert cells[8, "plain"]["over"] == "bare"
    assert cells[8, "plain"]["rate"] == [0.99, 0.99, 0.99]
    assert cells[8, "l2s"]["over"] == "plain"
    assert cells[8, "l2s"]["rate"] == [0.909, 0.909, 0.909]
    assert cells[8, "l2s"]["answers_per_second"] == pytest.approx(18.0)


def test_the_table_is_written_between_the_marks_of_a_page(tmp_path: Path):
    page = tmp_path / "page.md"
    begin, end = (mark.format(model="m") for mark in (BEGIN, END))
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        write(page, told())
    found = page.read_text()
    assert found.startswith(f"before\n{begin}\nm, not compiled, 2 processors (x), 3 rounds")
    assert found.endswith(f"{end}\nafter\n")
    assert "old" not in found
    assert "3 of 18 ratios reach it, 3 with the whole interval" in found
    assert found.count("| L2S over plain | 0.91 (0.91 to 0.91) |") == 1


def test_a_page_without_the_marks_of_the_model_is_left_as_it_is(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="costs of m begin"):
        write(page, told())
    assert page.read_text() == "nothing\n"
