"""The page as plain data: what it is written from again when only some of its runs are at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.evidence.page import slug
from benchmarks.evidence.row import Answer, Case, Group
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.tables import Captioned, Shaped
from benchmarks.evidence.verdicts import Number

from trimtab.errors import UsageError

PAGE = "evidence.json"
"""The name of the page's own data."""


class Kept(NamedTuple):
    """What an earlier page said.

    Attributes:
        cases: The cases of every claim, by its sentence.
        sources: Its runs and files; of these no more is known than the page shows.
        tables: The paper's tables.
        figures: The paper's figures.
    """

    cases: dict[str, list[Case]]
    sources: tuple[Source, ...]
    tables: list[Shaped]
    figures: list[Captioned]


def as_data(
    groups: Iterable[tuple[Group, Sequence[Answer]]],
    tables: Sequence[Shaped],
    figures: Sequence[Captioned],
    evidence: Evidence,
) -> dict[str, Any]:
    """Return the page as plain data; ``kept`` reads it."""
    return {
        "rows": [_row(group, answer) for group, answers in groups for answer in answers],
        "tables": [table._asdict() for table in tables],
        "figures": [figure._asdict() for figure in figures],
        "runs": [
            {
                "name": source.name,
                "kind": source.kind,
                "models": source.models,
                "items": {part: found["items"] for part, found in source.provenance.get("data", {}).items()},
                "test_items": source.items_digest,
                "commit": source.provenance.get("commit"),
                "command": source.command,
            }
            for source in evidence.sources
        ],
    }


def _row(group: Group, answer: Answer) -> dict[str, Any]:
    return {
        "name": slug(group, answer),
        "group": group.title,
        "claim": answer.row.claim,
        "origin": answer.row.origin,
        "measured": answer.row.measured,
        "threshold": answer.row.threshold,
        "unit": answer.row.unit,
        "verdict": answer.verdict,
        "command": answer.row.command,
        "cases": [_case(case) for case in answer.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    said = {"said": case.said, "n": case.n, "power": case.power} if case.number is None else case.number._asdict()
    return {
        "run": case.source.name,
        "model": case.model,
        "condition": case.condition,
        "verdict": case.verdict,
        **said,
    }


def kept(path: Path, again: Iterable[str]) -> Kept:
    """Read what an earlier page said of the runs that are not read again.

    Args:
        path: The page's data.
        again: Names of the runs that are.

    Raises:
        UsageError: It is not such data.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        gone = [run for run in data["runs"] if run["name"] not in set(again)]
        sources = {run["name"]: _source(run) for run in gone}
        cases = {
            row["claim"]: [_as_case(case, sources[case["run"]]) for case in row["cases"] if case["run"] in sources]
            for row in data["rows"]
        }
        tables = [Shaped(**table) for table in data["tables"]]
        return Kept(cases, tuple(sources.values()), tables, [Captioned(**figure) for figure in data["figures"]])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"`RUN` {path} must be the data of an earlier page; got {error!r}.") from error


def _source(run: dict[str, Any]) -> Source:
    made = {"data": {part: {"items": items} for part, items in run["items"].items()}, "commit": run["commit"]}
    if run.get("test_items") is not None:  # pages of before did not keep it
        made["data"]["test"]["fingerprint"] = run["test_items"]
    return Source(run["kind"], Path(run["name"]), {"models": run["models"]}, run["command"], made)


def _as_case(case: dict[str, Any], source: Source) -> Case:
    head = source, case["model"], case["condition"], case["verdict"]
    if "said" in case:
        return Case(*head, said=case["said"], n=case["n"], power=case["power"])
    return Case(*head, Number(*(case[name] for name in Number._fields)))
