"""Cases out of the files that benchmarks of the measures of contribution write."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import FILES, Evidence
from benchmarks.evidence.verdicts import Number, verdict

from trimtab.studies.kit.statistics import CONFIDENCE, holm

HELD_OUT, VALIDITY, SCORE = FILES
COMMANDS = FILES


def tells(method: str, least: float) -> Cases:
    """Ask whether a ratio tells which modality a held-out answer comes from, by its area under the curve."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(source, model, "", verdict(number, least), number)
            for source in evidence.of(HELD_OUT)
            for model, part in source.found["models"].items()
            for row in part["held_out"]["methods"]
            if row["method"] == method
            for number in [_area(row)]
        ]

    return cases


def foretells(methods: tuple[str, ...], outcomes: tuple[str, ...], least: float = 0.5) -> Cases:
    """Ask whether a ratio foretells outcomes, by its area under the curve."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(source, model, f"{row['method']}: {row['outcome']}", verdict(number, least), number)
            for source in evidence.of(VALIDITY)
            for model, part in source.found["models"].items()
            for row in part["foretold"]
            if row["method"] in methods and row["outcome"] in outcomes and "auroc" in row  # too few flip for an area
            for number in [_area(row)]
        ]

    return cases


def moved_by_instructions(methods: tuple[str, ...]) -> Cases:
    """Ask whether instructions move a ratio toward what they name, by its interval and by p, corrected for all."""

    def cases(evidence: Evidence) -> list[Case]:
        found = [
            (source, model, f"{method}: instruction for the {row['instruction']}", _toward(row))
            for source in evidence.of(VALIDITY)
            for model, part in source.found["models"].items()
            for method in methods
            for row in part.get(f"instructions/{method}", ())
        ]
        known = {k: number.p for k, (*_, number) in enumerate(found) if number.p is not None}
        corrected = dict(zip(known, holm(list(known.values())), strict=True))
        return [
            Case(source, model, title, verdict(number), number)
            for k, (source, model, title, told) in enumerate(found)
            for number in [told._replace(p=corrected.get(k))]
        ]

    return cases


def _toward(row: dict[str, Any]) -> Number:
    """Return the mean change of a ratio toward the named modality, with its interval from Student's t."""
    from scipy.stats import t

    change = row["difference"] if row["instruction"] == "image" else -row["difference"]
    n, deviation = row["n"], abs(row["difference"] / row["cohen_dz"]) if row["cohen_dz"] else math.nan
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / math.sqrt(n)
    ends = (None, None) if math.isnan(half) else (change - half, change + half)
    return Number(change, *ends, n, None if math.isnan(half) else half, row.get("p"))


def score_under_noise(noises: tuple[str, ...]) -> Cases:
    """Ask whether AMPS's score points to the modality that the answer comes from, at sizes of noise on the cache."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(source, model, f"noise on {noise}", verdict(number, 0.5), number)
            for source in evidence.of(SCORE)
            for model, part in source.found["models"].items()
            for noise in noises
            if f"noise/{noise}" in part
            for number in [_area(part[f"noise/{noise}"]["score"])]
        ]

    return cases


def prefills(most: float) -> Cases:
    """Ask whether the default measure takes at most so many times the positions of the plain prompts."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(source, model, "", verdict(number, most, more=False), number)
            for source in evidence.of(HELD_OUT)
            for model, part in source.found["models"].items()
            for row in part["held_out"]["methods"]
            if row["method"] == "default"
            for number in [Number(row["prefills"], row["prefills"], row["prefills"], part["held_out"]["items"])]
        ]

    return cases


def _area(row: dict) -> Number:
    return Number(row["auroc"], row["low"], row["high"], row["n"], (row["high"] - row["low"]) / 2)
