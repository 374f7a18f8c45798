"""The paper's tables in their shape, for every model that was studied."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

from benchmarks.evidence.sources import Evidence, Source

from trimtab.report.methods import method_name, methods_of
from trimtab.report.paper import TABLE_2
from trimtab.report.tables import Line, following_tables
from trimtab.studies import SWEPT

PROMPTS_AND_VECTORS = ("none", "instruction", "chain_of_thought", "few_shot", "mean", "amps")
LEARNED = ("none", "l2s", "amps")
PAPER = "AMPS's paper"


class Shaped(NamedTuple):
    """A table as text."""

    title: str
    about: str
    columns: list[str]
    rows: list[list[str]]

    def told(self) -> list[dict[str, str]]:
        """Return the rows with their cells by the names of the columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Captioned(NamedTuple):
    """One of the paper's figures: the name of its file, its caption, and the run that it shows."""

    name: str
    caption: str
    run: str


def paper_tables(evidence: Evidence) -> list[Shaped]:
    """Lay out AMPS's Tables 1, 2 and 3; none where no study has a method of theirs."""
    shaped = [
        _shaped(evidence, "Table 1", "Prompts and mean differences beside AMPS.", PROMPTS_AND_VECTORS),
        _shaped(evidence, "Table 2", "L2S and AMPS. Below, the paper's totals.", LEARNED, paper=True),
        _shaped(evidence, "Table 3", "What adaptive strength adds: L2S beside the readings of AMPS.", None),
    ]
    return [table for table in shaped if table.rows]


def joined_tables(old: Sequence[Shaped], new: Sequence[Shaped], again: Container[str]) -> list[Shaped]:
    """Put what was read again in place of what an earlier page had; the rows of runs that were not stay as they are.

    Args:
        old: The earlier tables.
        new: Tables of what was read.
        again: Names of the runs that were read.
    """
    before, fresh = ({table.title: table for table in tables} for tables in (old, new))
    empty = {title: table._replace(rows=[]) for title, table in {**before, **fresh}.items()}
    made = [_joined(before.get(title, none), fresh.get(title, none), again) for title, none in empty.items()]
    return [table for table in made if table.rows]


def _joined(old: Shaped, new: Shaped, again: Container[str]) -> Shaped:
    kept = [row for row in old.told() if row["run"] not in again]
    stays = set(map(_block, kept))  # of each model a table has one run
    rows = kept + [row for row in new.told() if _block(row) not in stays]
    blocks = dict.fromkeys(map(_block, (*old.told(), *new.told())))
    order = sorted(blocks, key=lambda block: block == PAPER)  # which stands below
    rows.sort(key=lambda row: order.index(_block(row)))
    columns = list(old.columns)
    for place, name in enumerate(new.columns):
        if name not in columns:
            columns.insert(place, name)
    return Shaped(new.title, new.about, columns, [[row.get(name, "") for name in columns] for row in rows])


def _block(row: dict[str, str]) -> str:
    """Return what a row of a table stands with: its model, or the paper."""
    return PAPER if row["run"] == PAPER else row["model"]


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
            [PAPER, p.model, p.target, name, *[""] * len(tasks), f"{rate:.1f}", "", ""]
            for p in TABLE_2
            for name, rate in zip(map(method_name, LEARNED), (p.none, p.l2s, p.amps), strict=True)
        ]
    return Shaped(title, about, ["run", "model", "target", "method", *tasks, "all", "95 %", "collapse"], rows)


def _row(source: Source, target: str, own: Sequence[str], line: Line, tasks: Sequence[str]) -> list[str]:
    cells = dict(zip(own, (cell.text for cell in line.cells), strict=True))
    known = [cells.get(task, "") for task in tasks]
    interval = line.total.note.partition(";")[0].replace("–", " to ")
    return [source.name, line.model, target, line.method, *known, line.total.text, interval, line.collapse.text]
