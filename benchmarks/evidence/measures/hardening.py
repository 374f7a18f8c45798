"""Cases out of ablations of hardening, item by item: both ways of training answered the same questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from benchmarks.evidence.row import Case, Cases
from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.verdicts import Number, verdict

from trimtab.interference import CLEAN
from trimtab.interference.diagnosis import worst_case
from trimtab.studies import bootstrap_mean, records
from trimtab.studies.interference.variants import VANILLA
from trimtab.studies.kit.records import grouped
from trimtab.studies.kit.run_folder import read_step, step_path

HARDEN = "python benchmarks/harden/ablation.py --model pocket-qwen --out runs/hardening"


def hardened(*pairs: tuple[str, str], relevant: str | tuple[str, ...], cut: str, margin: float | None = None) -> Cases:
    """Ask whether ways of hardening raise accuracy over others, or lower it by less than a margin.

    Args:
        pairs: Ways, each with what it is compared with; ``vanilla`` is the model as it is. Of several, cases say which.
        relevant: What the right answer needs; of several, each is a case.
        cut: ``clean``; ``seen`` or ``unseen``: under the perturbation of that sort that harms that model most.
        margin: By how much it may lie below.
    """

    def cases(evidence: Evidence) -> list[Case]:
        found, families = [], (relevant,) if isinstance(relevant, str) else relevant
        for source, (way, baseline), family in product(evidence.of("hardening"), pairs, families):
            labels = [_labels(source, name) for name in (way, baseline)]
            if all(labels):
                number = _difference(source, labels, family, cut)
                said = "clean" if cut == CLEAN else f"worst {cut}"
                condition = f"{family} items, {said}, {len(labels[0])} seeds"
                condition = f"{way} over {baseline}: {condition}" if len(pairs) > 1 else condition
                found.append(Case(source, source.models[0], condition, verdict(number, -(margin or 0.0)), number))
        return found

    return cases


def costs_more(variant: str, baseline: str, most: float) -> Cases:
    """Ask whether hardening takes at most so many times the counted work of another way."""

    def cases(evidence: Evidence) -> list[Case]:
        found = []
        for source in evidence.of("hardening"):
            own, other = (
                [c["forward_equivalents"] for c in source.found["cost"] if c["variant"] == name]
                for name in (variant, baseline)
            )
            if own and other and sum(other):
                ratio = (sum(own) / len(own)) / (sum(other) / len(other))
                number = Number(ratio, ratio, ratio, len(own))
                found.append(Case(source, source.models[0], "", verdict(number, most, more=False), number))
        return found

    return cases


def _labels(source: Source, variant: str) -> list[str]:
    """Return what the runs of a variant are called, one for each seed."""
    return [VANILLA] if variant == VANILLA else [c["label"] for c in source.found["cost"] if c["variant"] == variant]


def _difference(source: Source, labels: Sequence[Sequence[str]], relevant: str, cut: str) -> Number:
    """Average what each item gains over the seeds of both, with a bootstrap interval over clusters of items."""
    runs = [[_answers(source, label, relevant) for label in own] for own in labels]
    first, second = (_mean([_right(rows, source, cut) for rows in own]) for own in runs)
    clusters = {row["id"]: row["cluster"] for own in runs for rows in own for row in rows}
    items = [item for item in first if item in second]
    gains = [first[item] - second[item] for item in items]
    mean = bootstrap_mean(gains, clusters=[clusters[item] for item in items], bounds=(-1, 1))
    half = None if mean.low is None or mean.high is None else (mean.high - mean.low) / 2
    return Number(mean.value, mean.low, mean.high, len(items), half)


def _answers(source: Source, label: str, relevant: str) -> list[dict[str, Any]]:
    rows = records(read_step(step_path(source.path, f"{label}/diagnosis")).table)
    return [row for row in rows if row["way"] == "plain" and row["relevant"] == relevant]


def _right(rows: Sequence[dict[str, Any]], source: Source, cut: str) -> dict[str, bool]:
    """Return whether each item is right, clean or under the perturbation that loses most."""
    right = {c: {r["id"]: r["correct"] for r in part} for (c,), part in grouped(rows, "condition")}
    among = [CLEAN] if cut == CLEAN else [c for c in source.found[cut] if c != CLEAN]
    return right[worst_case(right, among).condition]


def _mean(by_seed: Sequence[dict[str, bool]]) -> dict[str, float]:
    """Average each item over the seeds that asked it."""

    def values(item: str) -> Iterator[bool]:
        return (right[item] for right in by_seed if item in right)

    items = dict.fromkeys(item for right in by_seed for item in right)
    return {item: sum(found) / len(found) for item in items for found in [list(values(item))]}
