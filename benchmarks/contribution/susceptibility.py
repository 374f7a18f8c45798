"""Does sensitivity foretell which items follow an instruction or a vector, and does a valid ratio help AMPS?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trimtab import Item, Model
from trimtab.contribution import MCS, Shapley, measure
from trimtab.contribution.ranks import auroc
from trimtab.engine import run
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR, Modality
from trimtab.steering import AMPS, L2S, Artifact, Instruction, MeanDifference, NoSteering, TrainingSet
from trimtab.studies import evaluate, records

STRENGTHS = {"smol-llava": (16.0, 32.0, 64.0)}
"""At which strengths the mean vector is tried, where they are not ``USUAL``: see ``recipes/smol/steering.yaml``."""
USUAL = (0.5, 1.0, 2.0)
FEWEST = 8
"""An area is not reported with fewer items of either kind."""


def foreknowledge(model: Model, items: Sequence[Item]) -> dict[str, dict[str, list[float]]]:
    """Measure items by what may foretell flips: for each measure and target, a number an item, without steering."""
    readings = {
        "score, small noise": MCS(),
        "score, paper": MCS.paper(),
        "score, KL, sigma 1": MCS(divergence="kl", estimator="sampled", sigmas=(1.0,), draws=4),
        "Shapley": Shapley(),
    }
    found: dict[str, dict[str, list[float]]] = {}
    for name, method in readings.items():
        known = {c.item_id: c for c in measure(model, items, method=method)}
        found[name] = {m: [known[i.id].share(m) if i.id in known else float("nan") for i in items] for m in PAIR}
        if name == "score, small noise":
            total = [sum(known[i.id].scores.values()) if i.id in known else float("nan") for i in items]
            found["sum of both scores, small noise"] = dict.fromkeys(PAIR, total)
    log_p = run(model, [prompt_for(item) for item in items]).logits.double().log_softmax(-1)
    best = log_p.topk(2).values
    found["narrow margin"] = {m: (best[:, 1] - best[:, 0]).tolist() for m in PAIR}
    return found


def flips(model: Model, items: Sequence[Item], train: TrainingSet) -> dict[str, dict[str, bool]]:
    """Say which of the items at risk, not answered from the target, an instruction or the mean vector brings to it.

    The vector is added at the default layer; of the strengths the one is taken that turns nearest to half of them.
    """
    strengths = STRENGTHS.get(model.name, USUAL)
    found: dict[str, dict[str, bool]] = {}
    for target in PAIR:
        vector = MeanDifference(target=target).fit(model, train)
        plain, told = (kind(target=target).fit(model) for kind in (NoSteering, Instruction))
        table = records(evaluate(model, items, [plain, told, vector], strengths=strengths, max_new_tokens=8).answers)
        labels: dict[tuple[str, float], dict[str, str]] = {}
        for row in table:
            way = row["method"], row["strength"] if row["method"] == "mean" else 0.0
            labels.setdefault(way, {})[row["id"]] = row["label"]
        at_risk = [i for i, label in labels["none", 0.0].items() if label != target]
        ways = {way: {i: own[i] == target for i in at_risk} for way, own in labels.items() if way[0] != "none"}
        best = min((w for w in ways if w[0] == "mean"), key=lambda w: abs(np.mean(list(ways[w].values())) - 0.5))
        found[f"instruction to {target}"] = ways["instruction", 0.0]
        found[f"vector to {target}"] = ways[best]
    return found


def foretold(
    items: Sequence[Item], known: Mapping[str, Mapping[str, Sequence[float]]], turned: Mapping[str, Mapping[str, bool]]
) -> list[dict[str, Any]]:
    """Return the area under the ROC curve of each measure for each kind of flip, with its interval.

    Of shares, it is the target's: above 0.5 if items flip that are already more sensitive to the target or rely on it
    more, below if it is those that are less.
    """
    rows = []
    for way, outcome in turned.items():
        target = way.rpartition(" ")[2]
        for name, by_target in known.items():
            values = {i.id: v for i, v in zip(items, by_target[target], strict=True) if np.isfinite(v)}
            ids = [i for i in outcome if i in values]
            flipped = [outcome[i] for i in ids]
            row = {"way": way, "measure": name, "n": len(ids), "flips": sum(flipped)}
            if min(sum(flipped), len(flipped) - sum(flipped)) >= FEWEST:
                area = auroc([values[i] for i in ids], flipped)
                row |= {"auroc": area.value, "low": area.low, "high": area.high}
            rows.append(row)
    return rows


def steered(model: Model, train: TrainingSet, items: Sequence[Item], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Compare L2S with AMPS by several ratios at the same layer and strength, the middle one, on the same items.

    Both readings of AMPS's scaling have mean 1: ``prose`` steers items more that lean away from the target,
    ``normalised`` those with a high visual ratio.
    """
    rows, strength = [], STRENGTHS.get(model.name, USUAL)[1]
    for target in PAIR:
        by_method: dict[str, list[list[float]]] = {}
        for seed in seeds:
            fitted = [replace(own, strength=strength) for own in _fitted(model, train, target, seed)]
            answers = evaluate(model, items, fitted, max_new_tokens=8).answers
            for row in records(answers):
                by_method.setdefault(row["method"], [[] for _ in seeds])[seeds.index(seed)].append(
                    float(row["label"] == target)
                )
        base = np.mean(by_method["l2s"], axis=0)
        for name, by_seed in by_method.items():
            own = np.mean(by_seed, axis=0)
            rows.append(
                {
                    "target": target,
                    "method": name,
                    "strength": strength,
                    "n": len(items),
                    "following": float(own.mean()),
                    "by_seed": [float(np.mean(one)) for one in by_seed],
                    "difference": float(own.mean() - base.mean()),
                    "interval": _interval(own - base),
                }
            )
    return rows


def _interval(differences: np.ndarray) -> list[float]:
    at = np.random.default_rng(0).integers(0, len(differences), (2000, len(differences)))
    return np.percentile(differences[at].mean(1), [2.5, 97.5]).tolist()


def _fitted(model: Model, train: TrainingSet, target: Modality, seed: int) -> list[Artifact]:
    methods = {"l2s": L2S(target=target, seed=seed)}
    made = {
        f"amps {ratio}, {reading}": AMPS(target=target, seed=seed, ratio=ratio, reading=reading)
        for ratio in ("kl_limit", "shapley")
        for reading in ("prose", "normalised")
    }
    made["amps shapley, prose, shuffled"] = AMPS(
        target=target, seed=seed, ratio="shapley", reading="prose", shuffled=True
    )
    return [replace(method.fit(model, train), label=name) for name, method in (methods | made).items()]
