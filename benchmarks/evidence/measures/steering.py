"""Cases out of steering studies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.verdicts import Number, verdict, within

from trimtab.studies import ALL_TASKS, SWEPT, records
from trimtab.studies.kit.metrics import by_item, paired_by_item
from trimtab.studies.kit.run_folder import ITEMS
from trimtab.studies.kit.statistics import holm, likely_shown

KIND = "steering"
STEERING = "trimtab study recipes/steering.yaml --out runs/steering"
SMOL_STEERING = "trimtab study recipes/smol/steering.yaml --out runs/smol-steering"
GATES = "trimtab study recipes/autotrim.yaml --out runs/autotrim"
ABLATIONS = "trimtab study recipes/ablations.yaml --out runs/ablations"
CONTRASTS = "trimtab study recipes/contrasts.yaml --out runs/contrasts"
ONLINE = "trimtab study recipes/online.yaml --out runs/online"

Difference = tuple[dict[str, Any], float, float, float]
"""A row of a summary with a difference and its interval, first minus second as they were asked for."""

least_shown = cache(likely_shown)


def over(*pairs: tuple[str, str], margin: float | None = None, near: float | None = None, names: bool = False) -> Cases:
    """Ask whether methods follow the target more often than others, at the strengths chosen for each.

    Args:
        pairs: Methods, each with what it is compared with.
        margin: By how much a method may follow less and still not be worse; left out, it must follow more.
        near: Ask instead whether the two differ by less than this.
        names: Whether cases name the pair.
    """

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for pair in pairs:
            for source in evidence.of(KIND):
                for row, number in _compared(source.found["paired"], *pair):
                    said = _where(row, pair if names or len(pairs) > 1 else None)
                    found.append(Case(source, row["model"], said, _judged(number, margin, near), number))
        return found

    return cases


def among(own: Mapping[str, Sequence[str]], *pairs: tuple[str, str]) -> Cases:
    """Ask as ``over`` does, of each model only about methods of its own.

    Args:
        own: The first methods of the pairs that are asked of a model, by its name.
        pairs: Methods, each with what it is compared with.
    """

    def cases(evidence: Evidence) -> list[Case]:
        asked = ((pair, case) for pair in pairs for case in over(pair, names=True)(evidence))
        return [case for pair, case in asked if pair[0] in own.get(case.model, ())]

    return cases


def at_equal_strength(*pairs: tuple[str, str]) -> Cases:
    """Ask whether one scaling follows the target more often than another at the same strength and layer."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for pair in pairs:
            for source in evidence.of(KIND):
                for row, number in _compared(source.found["equal_strength"], *pair):
                    said = f"{_where(row, pair)}, strength {row['strength']:g}"
                    found.append(Case(source, row["model"], said, verdict(number), number))
        return found

    return cases


def collapses(method: str, baseline: str, margin: float | None = None) -> Cases:
    """Ask whether answers collapse less often than with a baseline, or at most a margin more often."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of(KIND):
            rows = [r for r in answers_of(source) if r["chosen"] and r["protocol"] == SWEPT]
            for model, target in _places(rows):
                own = [r for r in rows if (r["model"], r["target"]) == (model, target)]
                first, second = (
                    by_item([r for r in own if r["method"] == name], lambda r: bool(r["collapsed"]))
                    for name in (method, baseline)
                )
                if first and second:
                    number = _number(paired_by_item(first, second, source.found["seed"]), len(_places(rows)))
                    number = number if margin is None else number._replace(p=None)
                    found.append(Case(source, model, f"toward {target}", "not shown", number))
        return _corrected(found, margin or 0.0, more=False)

    return cases


def stronger_collapses(*methods: str) -> Cases:
    """Ask whether the highest strength of a sweep makes more answers collapse than the lowest, on the same items."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source, method in product(evidence.of(KIND), methods):
            rows = [r for r in answers_of(source) if r["method"] == method and r["protocol"] == SWEPT]
            for model, target in _places(rows):
                own = [r for r in rows if (r["model"], r["target"]) == (model, target)]
                ends = sorted({r["strength"] for r in own})
                if len(ends) > 1:
                    high, low = (
                        by_item([r for r in own if r["strength"] == s], lambda r: bool(r["collapsed"]))
                        for s in (ends[-1], ends[0])
                    )
                    number = _number(paired_by_item(high, low, source.found["seed"]), len(methods) * len(_places(rows)))
                    said = f"{method} toward {target}, strength {ends[-1]:g} against {ends[0]:g}"
                    found.append(Case(source, model, said, "not shown", number))
        return _corrected(found)

    return cases


BESIDE_THE_POINT = {"image": ("irrelevant_image",), "text": ("irrelevant_text",)}
"""Controls in which the evidence of a target has nothing to do with the question, by target."""


def on_controls(
    method: str,
    kinds: Sequence[str] | Mapping[str, Sequence[str]],
    margin: float | None = None,
    *,
    harmed: bool = False,
) -> Cases:
    """Ask what steering does to right answers where nothing conflicts, against no steering on the same items.

    Args:
        method: What steers.
        kinds: Kinds of control, or those of each target.
        margin: By how much the share of right answers may fall and be kept.
        harmed: Ask instead whether it falls.
    """

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of(KIND):
            together = sum(r["chosen"] and r["method"] == method for r in source.found["controls"]) if harmed else 1
            for row in source.found["controls"]:
                asked = kinds[row["target"]] if isinstance(kinds, Mapping) else kinds
                if row["chosen"] and row["method"] == method and row["kind"] in asked:
                    flips = (row["lost"] + row["gained"]) / row["n"]
                    number = paired_number(row, flips, together, row["p_holm"] if harmed else None)
                    said = verdict(number, more=False) if harmed else verdict(number, -(margin or 0.0))
                    condition = f"toward {row['target']}, {row['kind'].replace('_', ' ')}"
                    found.append(Case(source, row["model"], condition, said, number))
        return found

    return cases


def moved_ratio(evidence: Evidence) -> list[Case]:
    """Ask whether the measured share of the image is larger under an image instruction than under a text one."""
    found = []
    for source in evidence.of(KIND):
        rows = [r for r in source.found["contribution"] if r["task"] == ALL_TASKS and "ratio" in r]
        for model in source.models:
            own = {r["instruction"]: r for r in rows if r["model"] == model}
            if {"image", "text"} <= own.keys():
                number = apart(own["image"], own["text"], "ratio")
                condition = f"measured by {source.found['contribution_method']}"
                found.append(Case(source, model, condition, verdict(number), number))
    return found


def costs(method: str, most: float) -> Cases:
    """Ask whether an answer takes at most so many times the token positions of a plain one; they are counted."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of(KIND):
            plain = {r["model"]: r["positions"] for r in source.found["costs"] if r["method"] == "none"}
            for row in source.found["costs"]:
                if row["method"] == method and row["model"] in plain:
                    ratio = row["positions"] / plain[row["model"]]
                    number = Number(
                        ratio, ratio, ratio, source.provenance.get("data", {}).get("cost", {}).get("items", 1)
                    )
                    said = verdict(number, most, more=False)
                    found.append(Case(source, row["model"], f"toward {row['target']}", said, number))
        return found

    return cases


def reliability(methods: Sequence[str], least: float) -> Cases:
    """Ask whether the ratios that scaled the vectors are alike between two seeds, as the fitted artifacts say."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of(KIND):
            for path in sorted(source.path.glob("artifacts/*/*/config.json")):
                if path.parent.name.split("-")[0] not in methods:
                    continue
                config = json.loads(path.read_text("utf-8"))
                train = config["metrics"].get("train", {})
                known = train.get("ratio", {}).get("reliability")
                if known is not None:
                    number = Number(known, known, known, train["items"])
                    condition = f"toward {config['target']}, measured by {train['ratio']['measured_by']}"
                    found.append(Case(source, config["model_name"], condition, verdict(number, least), number))
        return found

    return cases


def seeds_of(method: str, wanted: int) -> Cases:
    """Ask whether a method was tried with so many seeds at least, and say how far they lie apart."""

    def cases(evidence: Evidence) -> list[Case]:
        return [
            Case(
                source,
                row["model"],
                f"toward {row['target']}",
                "holds" if row["seeds"] >= wanted else "does not hold",
                said=f"{row['seeds']} seeds: {100 * row['lowest']:.1f} to {100 * row['highest']:.1f} %, "
                f"mean {100 * row['following']:.1f} %",
            )
            for source in evidence.of(KIND)
            for row in source.found["seeds"]
            if row["method"] == method and row["protocol"] == SWEPT
        ]

    return cases


def paired_number(row: dict[str, Any], flips: float, together: int, p: float | None) -> Number:
    """Return a row's difference between two answers to the same items.

    Args:
        row: With ``difference``, its interval, and ``n``.
        flips: Share of the items that changed.
        together: How many such differences were corrected together.
        p: The corrected p, where there is one.
    """
    least = least_shown(row["n"], flips, together)
    return Number(row["difference"], row["difference_low"], row["difference_high"], row["n"], least, p)


def apart(first: dict[str, Any], second: dict[str, Any], name: str) -> Number:
    """Return the difference of two estimates with intervals (Newcombe's square-and-add of the distances to their ends).

    It is meant for independent samples; of the same items it is wider than it need be, as these agree.
    """
    value, n = first[name] - second[name], min(first["n"], second["n"])
    ends = [row[f"{name}_{end}"] for row in (first, second) for end in ("low", "high")]
    if None in ends:
        return Number(value, None, None, n)
    a_low, a_high, b_low, b_high = ends
    down = ((first[name] - a_low) ** 2 + (b_high - second[name]) ** 2) ** 0.5
    up = ((a_high - first[name]) ** 2 + (second[name] - b_low) ** 2) ** 0.5
    return Number(value, value - down, value + up, n, max(down, up))


def _compared(rows: Sequence[dict[str, Any]], method: str, baseline: str) -> Iterator[tuple[dict[str, Any], Number]]:
    """Return the comparisons of a pair, whichever of the two stood first in the plan."""
    own = [r for r in rows if {r["method"], r["baseline"]} == {method, baseline}]
    comparisons = Counter(r["method"] for r in own)
    for row in own:
        same = row["method"] == method
        low, high = (row["difference_low"], row["difference_high"])
        value = row["difference"] if same else -row["difference"]
        low, high = (low, high) if same else (-high, -low)
        flips = (row["method_only"] + row["baseline_only"]) / row["n"]
        least = least_shown(row["n"], flips, comparisons[row["method"]])
        yield row, Number(value, low, high, row["n"], least, row["p_holm"])


def _corrected(cases: Sequence[Case], threshold: float = 0.0, *, more: bool = True) -> list[Case]:
    """Correct the p of all cases by Holm's rule, and judge them."""
    known = [case.number.p for case in cases if case.number is not None and case.number.p is not None]
    ps, found = iter(holm(known)), []
    for case in cases:
        number = case.number
        if number is not None:
            number = number if number.p is None else number._replace(p=next(ps))
            found.append(case._replace(number=number, verdict=verdict(number, threshold, more=more)))
    return found


def _judged(number: Number, margin: float | None, near: float | None) -> Any:
    if near is not None:
        return within(number, near)
    return verdict(number) if margin is None else verdict(number._replace(p=None), -margin)


def _where(row: dict[str, Any], pair: tuple[str, str] | None) -> str:
    protocol = "" if row["protocol"] == SWEPT else f", {row['protocol']}"
    return f"toward {row['target']}{protocol}" + ("" if pair is None else f", {pair[0]} over {pair[1]}")


def answers_of(source: Source) -> list[dict[str, Any]]:
    """Return the answers that a run keeps; none if it was copied without them."""
    from pandas import read_parquet

    path = source.path / ITEMS
    return records(read_parquet(path)) if path.is_file() else []


def _places(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((r["model"], r["target"]) for r in rows))


def _number(found: Any, comparisons: int) -> Number:
    least = least_shown(found.n, (found.first_only + found.second_only) / found.n, comparisons)
    return Number(found.difference, found.low, found.high, found.n, least, found.p)
