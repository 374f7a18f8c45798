"""What each page shows: the runs, a run, its answers, an item, two runs side by side, and the items that differ."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.errors import RunFolderError, TrimtabError, UsageError
from trimtab.report.page import PAGE
from trimtab.report.registering import ANY, Run, sections_of
from trimtab.viewing.choosing import FROM, TO, Asked, choices_of, chosen, page_of, sorts
from trimtab.viewing.comparing import (
    Compared,
    Condition,
    Name,
    compare_two,
    compared,
    conditions_of,
    differing,
    flipped,
    meaning_of_both,
    named,
)
from trimtab.viewing.drawing import drawn, environment
from trimtab.viewing.evidence import EvidenceOf
from trimtab.viewing.folders import RunEntry, RunFolders, provenance_of, summary_of
from trimtab.viewing.meaning import COLLAPSED, Meaning, meaning_of, outcomes
from trimtab.viewing.rows import Rows, Tables
from trimtab.viewing.showing import (
    LONGEST_ALONE,
    answer_of,
    columns_shown,
    condition_shown,
    evidence_of,
    when,
)

if TYPE_CHECKING:
    from trimtab.items import Item

FLIPS_ON_A_PAGE = 12
MOST_CONDITIONS = 500
"""Conditions to choose from in a list."""


class Pages:
    """Makes the pages of the runs below a folder.

    Attributes:
        runs: The run folders.
        evidence: The items that their answers are about.
        tables: Their tables of answers.
    """

    def __init__(self, runs: RunFolders, evidence: EvidenceOf) -> None:
        self.runs, self.evidence, self.tables = runs, evidence, Tables()
        self._facts = lru_cache(maxsize=1024)(lambda run, _changed: _facts_of(run))
        self._conditions = lru_cache(maxsize=4)(conditions_of)

    def home(self, asked: Asked) -> str:
        """List the runs."""
        found = self.runs.all()
        page = page_of(np.arange(len(found)), asked)
        listed = [{"run": run, **self.facts(run)} for run in (found[place] for place in page.places)]
        return drawn("home.html.j2", root=self.runs.root, listed=listed, page=page, asked=asked)

    def facts(self, run: RunEntry) -> dict[str, Any]:
        """Return what a list says of a run."""
        return self._facts(run, run.changed()) | {"steps": 0 if run.finished else run.steps()}

    def run(self, asked: Asked) -> str:
        """Show a run: what it found, its report and its tables."""
        run = self.runs.named(asked["run"])
        tables = [(name, self._length(run, name)) for name in run.tables()]
        others = [other for other in self.runs.all() if other.name != run.name and other.tables()]
        said, provenance = "", ""
        try:
            said = _said(run)
            provenance = _provenance(run)
        except TrimtabError as error:
            said = str(error)
        return drawn(
            "run.html.j2", run=run, tables=tables, others=others, said=said, provenance=provenance, **self.facts(run)
        )

    def _length(self, run: RunEntry, table: str) -> int | None:
        """Return how many rows a table has; None if it cannot be read."""
        try:
            return len(self.tables.of(run.table(table)))
        except TrimtabError:
            return None

    def items(self, asked: Asked) -> str:
        """Show the answers of a run that an address asks for, a page of them."""
        run, rows, meaning = self._table(asked)
        places = chosen(rows, meaning, asked)
        page = page_of(places, asked)
        answers = [answer_of(row, meaning) for row in rows.take(page.places, columns_shown(meaning, rows.columns))]
        bounds = [(name, name + FROM, name + TO) for name in meaning.measured]
        return drawn(
            "items.html.j2",
            run=run,
            asked=asked,
            answers=answers,
            page=page,
            rates=_rates(rows, meaning, places),
            choices=choices_of(rows, meaning, asked),
            bounds=bounds,
            sorts=sorts(rows, meaning),
            pictures=self.evidence.knows(run),
            altered=meaning.altered,
        )

    def item(self, asked: Asked) -> str:
        """Show an item with all its answers of a run."""
        run, rows, meaning = self._table(asked)
        name = asked["id"]
        places = np.flatnonzero(rows.values(meaning.item) == name)
        if not len(places):
            raise UsageError(f"`id` must be an item of run {run.shown!r}; got {name!r:.200}; go back to its answers.")
        page = page_of(places, asked)
        found = rows.take(page.places, columns_shown(meaning, rows.columns))
        own = self.evidence.find(run, name)
        return drawn(
            "item.html.j2",
            run=run,
            asked=asked,
            answers=[answer_of(row, meaning, LONGEST_ALONE) for row in found],
            page=page,
            item=None if own is None else evidence_of(own, LONGEST_ALONE),
            altered=meaning.altered,
        )

    def picture(self, asked: Asked) -> bytes | None:
        """Return the picture of an item as PNG; None if there is none."""
        item = self.evidence.find(self.runs.named(asked["run"]), asked["id"])
        return None if item is None else self.evidence.png(item)

    def report(self, asked: Asked) -> bytes:
        """Return the report of a run.

        Raises:
            UsageError: It has none.
        """
        run = self.runs.named(asked["run"])
        page = run.text(PAGE)
        if page is None:
            raise UsageError(f"run {run.shown!r} has no report; write it with: trimtab report {run.shown}")
        return page

    def compare(self, asked: Asked) -> str:
        """Show two runs side by side: every condition that both have."""
        runs, meaning, (first, second) = self._both(asked)
        found = compared(first, second)
        page = page_of(np.arange(len(found)), asked)
        pairs = [self._pair_shown(found[place], meaning) for place in page.places]
        alone = [[condition_shown(n, meaning, own[n]) for n in own if n not in other] for own, other in
                 ((first, second), (second, first))]  # fmt: skip
        return drawn(
            "compare.html.j2",
            runs=runs,
            asked=asked,
            pairs=pairs,
            reach=_reach(pairs),
            page=page,
            total=len(found),
            meaning=meaning,
            alone=[names[:MOST_CONDITIONS] for names in alone],
            conditions=[self._listed(own, meaning) for own in (first, second)],
            data=[self.facts(run)["data"] for run in runs],
            tables=[name for name in runs[0].tables() if name in runs[1].tables()],
            differ=differing(*(self._rows(run, asked) for run in runs)),
        )

    def flips(self, asked: Asked) -> str:
        """Show the items in which a condition of one run and one of another differ."""
        runs, meaning, found = self._both(asked)
        pair = compare_two(named(found[0], asked["ca"], "ca"), named(found[1], asked["cb"], "cb"))
        items = flipped(pair, asked["way"] or "all")
        page = page_of(np.arange(len(items)), asked, FLIPS_ON_A_PAGE)
        rows = [self._rows(run, asked) for run in runs]
        cards = [self._card(items[place], runs, rows, pair, meaning) for place in page.places]
        return drawn(
            "flips.html.j2",
            runs=runs,
            asked=asked,
            pair=self._pair_shown(pair, meaning),
            reach=_reach([self._pair_shown(pair, meaning)]),
            names=[condition_shown(one.name, meaning, one) for one in (pair.first, pair.second)],
            counts={way: len(flipped(pair, way)) for way in ("all", "won", "lost")},
            cards=cards,
            page=page,
            meaning=meaning,
        )

    def _card(
        self, item: str, runs: list[RunEntry], rows: list[Rows], pair: Compared, meaning: Meaning
    ) -> dict[str, Any]:
        """Lay out an item with its answers under both conditions."""
        own: Item | None = self.evidence.find(runs[0], item) or self.evidence.find(runs[1], item)
        sides = []
        for table, condition in zip(rows, (pair.first, pair.second), strict=True):
            found = table.take(np.array(condition.places[item]), columns_shown(meaning, table.columns))
            answers = [answer_of(row, meaning) for row in found]
            sides.append(list({(one.said, tuple(one.marks)): one for one in answers}.values()))
        before, after = (sum(one.hits[item]) / len(one.hits[item]) for one in (pair.first, pair.second))
        shown = None if own is None else evidence_of(own)
        return {"id": item, "item": shown, "sides": sides, "won": after > before}

    def _pair_shown(self, pair: Compared, meaning: Meaning) -> dict[str, Any]:
        return {
            "name": condition_shown(pair.first.name, meaning),
            "ca": _as_json(pair.first),
            "cb": _as_json(pair.second),
            "strengths": [" and ".join(f"{s:g}" for s in sorted(one.strengths)) for one in (pair.first, pair.second)],
            "count": len(pair.items),
            "rates": pair.rates,
            "paired": pair.paired,
            "p": pair.p,
            "collapse": [one.collapsed / one.answers for one in (pair.first, pair.second)],
        }

    def _listed(self, conditions: dict[Name, Condition], meaning: Meaning) -> list[tuple[str, str]]:
        """Return conditions to choose from: their name in an address, and their name on the page."""
        every = [(_as_json(one), condition_shown(name, meaning, one)) for name, one in conditions.items()]
        return sorted(every[:MOST_CONDITIONS], key=lambda one: one[1])

    def _both(self, asked: Asked) -> tuple[list[RunEntry], Meaning, tuple[dict[Name, Condition], ...]]:
        runs = [self.runs.named(asked[name], f"`{name}`") for name in ("a", "b")]
        one, two = (self._rows(run, asked) for run in runs)
        meaning = meaning_of_both(one, two)
        return runs, meaning, tuple(self._conditions(rows, meaning) for rows in (one, two))

    def _rows(self, run: RunEntry, asked: Asked) -> Rows:
        return self.tables.of(run.table(asked["table"] or "items"))

    def _table(self, asked: Asked) -> tuple[RunEntry, Rows, Meaning]:
        run = self.runs.named(asked["run"])
        rows = self._rows(run, asked)
        return run, rows, _meaning(rows)


def _meaning(rows: Rows) -> Meaning:
    found = meaning_of(rows.columns)
    if found is None:
        raise RunFolderError(f"{rows.path.name} must have a column `id` or `item_id` to be shown; it has neither.")
    return found


def _as_json(condition: Condition) -> str:
    return json.dumps(condition.name, ensure_ascii=False, separators=(",", ":"))


def _reach(pairs: list[dict[str, Any]]) -> float:
    """Return how far drawings of intervals reach to each side, so that all of a page are of one scale."""
    return max([0.1, *(max(abs(pair["paired"].low), abs(pair["paired"].high)) for pair in pairs)])


def _rates(rows: Rows, meaning: Meaning, places: np.ndarray) -> list[tuple[str, float]]:
    """Return the rates of rows: of the outcome, and of collapse."""
    found = []
    if meaning.outcome and len(places):
        hits, known = outcomes(rows, meaning)
        if known[places].any():
            found.append((meaning.rate, float(hits[places][known[places]].mean())))
    if COLLAPSED in rows.columns and len(places):
        found.append(("collapse rate", float(rows.values(COLLAPSED)[places].astype(bool).mean())))
    return found


def _facts_of(run: RunEntry) -> dict[str, Any]:
    """Read what the list of runs says of one."""
    config = run.config()
    plan = config.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    models = plan.get("models", plan.get("model", []))
    return {
        "kind": str(config.get("kind", "")),
        "models": [str(name) for name in models] if isinstance(models, list) else [str(models)],
        "data": str(plan.get("data", "")),
        "when": when(run),
    }


def _said(run: RunEntry) -> str:
    """Return what a run found, in a sentence, where its kind says so."""
    from trimtab.report import headline

    if not run.finished:
        return ""
    summary = summary_of(run)
    try:
        return headline(summary) if summary["kind"] == "steering" else ""
    except (LookupError, TypeError, ValueError):
        return ""


def _provenance(run: RunEntry) -> str:
    """Return what a run was made with, as its report shows it."""
    provenance = provenance_of(run)
    if not provenance:
        return ""
    seen, found = Run(run.path, {}, provenance), []
    try:
        for one in sections_of(ANY, ()):
            values = {"summary": {}, "provenance": provenance, **(one.values(seen) or {})}
            found.append(environment().from_string(one.template).render(values))
    except (LookupError, TypeError, AttributeError, ValueError):
        return ""
    return "".join(found)
