"""Cases out of diagnoses of interference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.evidence.measures.steering import paired_number
from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import Evidence
from benchmarks.evidence.verdicts import Number, verdict, within

DIAGNOSE = "trimtab interference pocket-qwen pocket-interference:test --out runs/interference"


def harms(relevant: str, conditions: Sequence[str], *, near: float | None = None) -> Cases:
    """Ask whether a perturbation of what does not matter lowers accuracy, on the same items.

    Args:
        relevant: What the right answer needs.
        conditions: Perturbations.
        near: Ask instead whether it changes accuracy by less than this.
    """

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of("interference"):
            rows = [r for r in _plain(source.found["effects"]) if r["relevant"] == relevant and r["p"] is not None]
            for row in rows:
                if row["condition"] in conditions:
                    together = sum(r["scoring"] == row["scoring"] for r in rows)
                    flips = (row["harmful"] or 0.0) + (row["helpful"] or 0.0)
                    number = paired_number(row, flips, together, row["p_holm"])
                    said = verdict(number, more=False) if near is None else within(number, near)
                    found.append(Case(source, source.models[0], _condition(row), said, number))
        return found

    return cases


def flips_beyond(share: float) -> Cases:
    """Ask whether a perturbation changes more than a share of the answers: the paper's prediction change."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(source, source.models[0], f"{row['relevant']}: {_condition(row)}", verdict(number, share), number)
            for source in evidence.of("interference")
            for row in _plain(source.found["effects"])
            if row["changed"] is not None
            for half in [(row["changed_high"] - row["changed_low"]) / 2]
            for number in [Number(row["changed"], row["changed_low"], row["changed_high"], row["n"], half)]
        ]

    return cases


def clustered(evidence: Evidence) -> list[Case]:
    """Ask whether intervals count what is about the same thing once."""
    found = []
    for source in evidence.of("interference"):
        rows = [r for r in source.found["effects"] if r["relevant"] == "text" and r["slice"] == "all"]
        for row in rows[:1]:
            said = f"{row['n']} items that the text answers, of {row['clusters']} clusters that count once"
            found.append(Case(source, source.models[0], "", "holds", said=said, n=row["n"]))
    return found


def _plain(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in rows if r["way"] == "plain" and r["slice"] == "all"]


def _condition(row: dict[str, Any]) -> str:
    return f"{row['condition'].replace('_', ' ')}, {row['scoring']}"
