"""Cases out of the patched states, crossovers and overriding heads of circuits studies."""

from __future__ import annotations

from typing import Any

from benchmarks.evidence.measures.circuits import KIND
from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.verdicts import Number, Verdict, verdict

from trimtab.studies.kit.statistics import holm, wilson

HALF = 0.5
DEPTHS = (0.5, 0.75, 0.9)
"""Where the last token is asked what it holds; at the last layer it holds the answer by construction."""


def last_token_fails(evidence: Evidence) -> list[Case]:
    """Ask whether another prompt's state at the last token alone fails to flip most answers, at several depths."""
    found = []
    for source in evidence.of(KIND):
        curves = source.found["patching"]["curves"]
        last = max((row["layer"] for row in curves), default=0)
        asked = {round(depth * last) for depth in DEPTHS}
        for row in curves:
            if row["part"] == "last" and row["layer"] in asked:
                number = Number(row["flips"], row["flips_low"], row["flips_high"], row["n"])
                said = f"donor: another {row['donor']}, layer {row['layer']} of {last + 1}"
                found.append(Case(source, source.models[0], said, verdict(number, HALF, more=False), number))
    return found


def crosses_deep(evidence: Evidence) -> list[Case]:
    """Ask whether most cases take their final side in the second half of the depth."""
    found = []
    for source, row in _rows(evidence, "crossovers"):
        rate = wilson(round(row["deep"] * row["n"]), row["n"])
        number = Number(rate.value, rate.low, rate.high, row["n"])
        found.append(Case(source, source.models[0], f"told {row['target']}", verdict(number, HALF), number))
    return found


def foretells_side(predictor: str) -> Cases:
    """Ask whether a predictor is correlated with the side that wins, among cases under one instruction."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source, row in _rows(evidence, "foretelling"):
            if row["predictor"] == predictor and row["target"] != "all" and row["rho"] is not None:
                number = Number(row["rho"], row["rho_low"], row["rho_high"], row["n"])
                shown: Verdict = "holds" if row["rho_low"] > 0 or row["rho_high"] < 0 else "not shown"
                found.append(Case(source, source.models[0], f"told {row['target']}", shown, number))
        return found

    return cases


def silenced(heads: str) -> Cases:
    """Ask whether silencing the heads of a side flips more followed answers than random heads do, over all cases."""

    def cases(evidence: Evidence) -> list[Case]:
        asked = [(source, row) for source, row in _rows(evidence, "ablation") if row["heads"] == heads]
        found = []
        for (source, row), p in zip(asked, holm([row["p"] for _, row in asked]), strict=True):
            ends = (row[name] - row["random"] for name in ("flips", "flips_low", "flips_high"))
            number = Number(*ends, n=row["n"], p=p)
            found.append(Case(source, source.models[0], f"told {row['target']}", verdict(number), number))
        return found

    return cases


def _rows(evidence: Evidence, name: str) -> list[tuple[Source, dict[str, Any]]]:
    return [(source, row) for source in evidence.of(KIND) for row in source.found["patching"][name]]
