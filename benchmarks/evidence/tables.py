"""The paper's tables in their shape, for every model that was studied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.evidence.sources import Evidence, Source

from trimtab.report.methods import method_name, methods_of
from trimtab.report.paper import TABLE_2
from trimtab.report.tables import Line, following_tables
from trimtab.studies import SWEPT

PROMPTS_AND_VECTORS = ("none", "instruction", "chain_of_thought", "few_shot", "mean", "amps")
LEARNED = ("none", "l2s", "amps")


class Shaped(NamedTuple):
    """A table as text."""

    title: str
    about: str
    columns: list[str]
    rows: list[list[str]]


def paper_tables(evidence: Evidence) -> list[Shaped]:
    """Lay out AMPS's Tables 1, 2 and 3; none where no study has a method of theirs."""
    shaped = [
        _shaped(evidence, "Table 1", "Prompts and mean differences beside AMPS.", PROMPTS_AND_VECTORS),
        _shaped(evidence, "Table 2", "L2S and AMPS. Below, the paper's totals.", LEARNED, paper=True),
        _shaped(evidence, "Table 3", "What adaptive strength adds: L2S beside the readings of AMPS.", None),
    ]
    return [table for table in shaped if table.rows]


def best_source(evidence: Evidence, model: str, methods: Sequence[str] | None = None) -> Source | None:
    """Return the steering study of a model that has most of some methods, and of these the one of most items.

    Args:
        evidence: All sources.
        model: The model.
        methods: The methods; left out, all that are AMPS's or L2S's.
    """
    own = [source for source in evidence.of("steering") if model in source.models]
    return max(own, key=lambda source: (len(_among(source, methods)), _items(source, model)), default=None)


def studied_models(evidence: Evidence) -> list[str]:
    """Return the models of all steering studies."""
    return list(dict.fromkeys(model for source in evidence.of("steering") for model in source.models))


def _among(source: Source, methods: Sequence[str] | None) -> list[str]:
    if methods is None:
        return [m for m in methods_of(source.found) if m in ("none", "l2s") or m.startswith("amps")]
    return [m for m in methods if m in methods_of(source.found)]


def _items(source: Source, model: str) -> int:
    return max(row["n"] for row in source.found["rows"] if row["model"] == model)


def _shaped(
    evidence: Evidence, title: str, about: str, methods: Sequence[str] | None, *, paper: bool = False
) -> Shaped:
    rows: list[list[str]] = []
    tasks: list[str] = []
    for model in studied_models(evidence):
        source = best_source(evidence, model, methods)
        if source is None:
            continue
        names = [method_name(m) for m in _among(source, methods)]
        for table in following_tables(source.found):
            if table.protocol == SWEPT:
                tasks = list(dict.fromkeys([*tasks, *table.tasks]))
                lines = [line for line in table.lines if line.model == model and line.method in names]
                rows += [_row(source, table.target, table.tasks, line, tasks) for line in lines]
    rows = [row[:4] + row[4:-3] + [""] * (len(tasks) + 7 - len(row)) + row[-3:] for row in rows]
    if rows and paper:
        rows += [
            ["AMPS's paper", p.model, p.target, name, *[""] * len(tasks), f"{rate:.1f}", "", ""]
            for p in TABLE_2
            for name, rate in zip(map(method_name, LEARNED), (p.none, p.l2s, p.amps), strict=True)
        ]
    return Shaped(title, about, ["run", "model", "target", "method", *tasks, "all", "95 %", "collapse"], rows)


def _row(source: Source, target: str, own: Sequence[str], line: Line, tasks: Sequence[str]) -> list[str]:
    cells = dict(zip(own, (cell.text for cell in line.cells), strict=True))
    known = [cells.get(task, "") for task in tasks]
    interval = line.total.note.partition(";")[0].replace("–", " to ")
    return [source.name, line.model, target, line.method, *known, line.total.text, interval, line.collapse.text]
