"""What the scores say of a trained model: by task, under instructions, and of what the model will do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from benchmarks.contribution.variants import ALL, READINGS, RELATIVES

from trimtab import Item, Model, load
from trimtab.contribution import MCS, Method, agreement, measure
from trimtab.contribution.ranks import auroc, spearman
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.modalities import PAIR
from trimtab.steering import Instruction, MeanDifference, NoSteering, TrainingSet, default_layer, tune
from trimtab.studies import contribution_rates, evaluate, records

Labels = dict[str, str]
"""The modality each item's answer follows, by the item's id."""

FEWEST = 8
"""An area under a curve is not reported with fewer items of either kind."""


def by_task(model: Model, items: Sequence[Item], method: Method) -> list[dict[str, Any]]:
    """Average the visual ratio by task, without an instruction and under each (Figures 4 and 5 of AMPS)."""
    rows = []
    for name, sentence in {"none": None, **INSTRUCTIONS}.items():
        found = measure(model, items, instruction=sentence, method=method)
        rows += [{"instruction": name, **row} for row in contribution_rates(found.rows())]
    return rows


def under_instructions(model: Model, items: Sequence[Item], method: Method) -> list[dict[str, Any]]:
    """Test, item by item, whether an instruction moves the visual ratio: the Wilcoxon test and effect sizes."""
    from scipy.stats import wilcoxon

    plain = ratios(model, items, method)
    rows = []
    for modality in PAIR:
        under = measure(model, items, instruction=INSTRUCTIONS[modality], method=method)
        told = {c.item_id: c.ratio for c in under}
        shared = [i for i in plain if i in told]
        moved = np.array([told[i] - plain[i] for i in shared])
        rows.append(
            {
                "instruction": modality,
                "n": len(shared),
                "difference": float(moved.mean()),
                "cohen_dz": float(moved.mean() / moved.std(ddof=1)) if moved.std() > 0 else 0.0,
                "share_up": float((moved > 0).mean()),
                "p": float(np.asarray(wilcoxon(moved)).ravel()[1]) if np.any(moved) else 1.0,
            }
        )
    return rows


def answers(
    model: Model, items: Sequence[Item], train: Sequence[Item], validation: Sequence[Item]
) -> dict[str, Labels]:
    """Answer the items plainly, under each instruction, and steered towards each modality by the mean vector."""
    known = TrainingSet(model, train)
    found: dict[str, Labels] = {}
    for target in PAIR:
        steering = MeanDifference(target=target)
        layers = sorted({default_layer(model), round(0.4 * model.n_layers), round(0.6 * model.n_layers)})
        mean = tune(steering, model, known, validation, layers, (0.5, 1.0, 2.0, 4.0), max_new_tokens=8)
        methods = [NoSteering(target=target).fit(model), Instruction(target=target).fit(model), mean]
        table = records(evaluate(model, items, methods, max_new_tokens=8).answers)
        for row in table:
            if row["chosen"]:
                key = "none" if row["method"] == "none" else f"{row['method']} {target}"
                found.setdefault(key, {})[row["id"]] = row["label"]
    return found


def outcomes(labels: Mapping[str, Labels]) -> dict[str, dict[str, bool]]:
    """List what a visual ratio may foretell: for each, the items at risk and whether it came true.

    ``answers from the image``: of items answered from either modality. ``X to T``: of items not answered from T, those
    that X brings to answer from it. A ratio foretells the first, and what brings items to the image, if it is high,
    and what brings items to the text if it is low.
    """
    plain = labels["none"]
    found = {"answers from the image": {i: label == "image" for i, label in plain.items() if label != "other"}}
    for name, told in labels.items():
        how, _, target = name.partition(" ")
        if target:
            at_risk = [i for i, label in plain.items() if label != target]
            found[f"{how} to {target}"] = {i: told[i] == target for i in at_risk}
    return found


def foretold(by_method: Mapping[str, dict[str, float]], wanted: Mapping[str, dict[str, bool]]) -> list[dict[str, Any]]:
    """Say how well each method's ratio foretells each outcome, as an area under the ROC curve with its interval."""
    rows = []
    for outcome, by_item in wanted.items():
        sign = -1 if outcome.endswith("to text") else 1
        for method, found in by_method.items():
            shared = [i for i in by_item if i in found and np.isfinite(found[i])]
            positive = [by_item[i] for i in shared]
            row = {"outcome": outcome, "method": method, "n": len(shared), "positives": sum(positive)}
            if min(sum(positive), len(positive) - sum(positive)) >= FEWEST:
                area = auroc([sign * found[i] for i in shared], positive)
                row |= {"auroc": area.value, "low": area.low, "high": area.high}
            rows.append(row)
    return rows


def ratios(model: Model, items: Sequence[Item], method: Method) -> dict[str, float]:
    """Return the visual ratio of each item that has one, by its id."""
    return {c.item_id: c.ratio for c in measure(model, items, method=method)}


def agreements(model: Model, items: Sequence[Item]) -> dict[str, Any]:
    """Compare the main readings and the relatives: rank correlations, bias against Shapley, cost, stability."""
    names = ("default", "kl limit", "paper", "ce", "kl", "ce limit", "kl context", "kl embeddings")
    methods = {name: ALL[name] for name in names} | RELATIVES
    found = agreement(model, items, methods, reference="shapley first token")
    correlations = [{"first": a, "second": b, "spearman": v} for (a, b), v in found.correlations().items()]
    return {"items": found.items, "rows": found.rows(), "correlations": correlations}


def precision(name: str, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Compare the ranks of items in bfloat16 with those in float32."""
    exact, low = load(name), load(name, dtype="bfloat16")
    rows = []
    for method in ("default", "kl limit", "paper", "ce", "kl", "ce limit"):
        a, b = (ratios(m, items, ALL[method]) for m in (exact, low))
        shared = [i for i in a if i in b]
        both = np.array([[a[i], b[i]] for i in shared])
        rows.append(
            {
                "method": method,
                "n": len(shared),
                "spearman": spearman(both[:, 0], both[:, 1]),
                "difference": float(np.abs(both[:, 0] - both[:, 1]).mean()),
            }
        )
    return rows


def variance(model: Model, items: Sequence[Item], seeds: int = 5) -> list[dict[str, Any]]:
    """Compare how much the ratio moves from seed to seed, and what an item costs, by number of draws and by limit."""
    rows = []
    base = MCS(divergence="kl", estimator="sampled", sigmas=(0.1,))
    ways = {f"{d} draws": replace(base, draws=d) for d in (1, 2, 4, 16)} | {"limit": READINGS["kl limit"]}
    for name, config in ways.items():
        started, by_seed = time.perf_counter(), []
        for seed in range(seeds):
            by_seed.append([c.ratio for c in measure(model, items, method=replace(config, seed=seed))])  # pyright: ignore
        passed = time.perf_counter() - started
        spread = float(np.std(by_seed, axis=0, ddof=1).mean())
        rows.append({"way": name, "spread": spread, "seconds": passed / (seeds * len(items))})
    return rows
