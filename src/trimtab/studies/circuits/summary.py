"""A circuits study in numbers: curves, maps and rates with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from trimtab.circuits import HeadScores, how_many, jaccard, stability, top_heads
from trimtab.circuits.readouts import LABELS, chance_of
from trimtab.modalities import MODALITIES, Modality, in_order
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import bootstrap_mean, paired_difference, wilson


def modalities_of(summary: Mapping[str, Any]) -> tuple[Modality, ...]:
    """Return the modalities that the items of a study set against each other, in the order of tables."""
    return in_order(row["target"] for row in summary["baseline"])


def together(modalities: Sequence[Modality]) -> str:
    """Return what all of some modalities are called: ``both`` of two, else ``all``."""
    return "both" if len(modalities) == 2 else "all"


def flow_curves(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average knockouts by edge, named modality and layer, with bands over cases.

    Returns:
        ``edge, target, layer, n``, the signed two-way ``effect`` and the ``change`` of the margin with their intervals,
        and ``flips``: the share of cases whose first token follows before and no longer after.
    """
    curves = []
    for (edge, target, layer), part in grouped(rows, "edge", "target", "layer"):
        followed = [row for row in part if row["label_before"] == LABELS[0]]
        lost = sum(row["label_after"] != LABELS[0] for row in followed)
        curves.append(
            {
                "edge": edge,
                "target": target,
                "layer": layer,
                "n": len(part),
                **_interval("effect", [row["effect"] for row in part], seed),
                **_interval("change", [row["change"] for row in part], seed),
                "flips": lost / len(followed) if followed else None,
            }
        )
    return curves


def lens_curves(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average the lens by norm, span, named modality, outcome and layer.

    Returns:
        ``norm, span, target, outcome, layer, n``, both answers' logits, their ``margin`` with its interval, the
        ``agreement`` of the latent with the final decision, and the agreement a guess would have (``chance``).
    """
    curves = []
    with_outcome = [{**row, "outcome": _outcome(row["label"])} for row in rows]
    for key, part in grouped(with_outcome, "norm", "span", "target", "outcome", "layer"):
        decided = torch.tensor([int(row["agrees"] == (row["following"] > row["competing"])) for row in part])
        curves.append(
            {
                **dict(zip(("norm", "span", "target", "outcome", "layer"), key, strict=True)),
                "n": len(part),
                "following": _mean(row["following"] for row in part),
                "competing": _mean(row["competing"] for row in part),
                **_interval("margin", [row["following"] - row["competing"] for row in part], seed),
                "agreement": _mean(float(row["agrees"]) for row in part),
                "chance": chance_of(decided),
            }
        )
    return curves


def layer_curves(rows: Sequence[Record], baseline: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average what attention and MLP of each layer add to the margin, by outcome and by the prior.

    The prior is the margin without an instruction: ``for`` the named modality or ``against`` it. Semantic inertia would
    be an MLP that adds to what the prior prefers, against the instruction.

    Returns:
        ``outcome, prior, layer, n``, ``attention`` and ``mlp`` with their intervals; outcome and prior can be ``all``.
    """
    known = {(row["id"], row["target"]): row for row in baseline}
    curves = []
    for outcome in ("all", "success", "failure"):
        for prior in ("all", "for", "against"):
            part = [row for row in rows if _belongs(known[row["id"], row["target"]], outcome, prior)]
            for (layer,), own in grouped(part, "layer"):
                parts = {name: _interval(name, [row[name] for row in own], seed) for name in ("attention", "mlp")}
                curves.append(
                    {
                        "outcome": outcome,
                        "prior": prior,
                        "layer": layer,
                        "n": len(own),
                        **parts["attention"],
                        **parts["mlp"],
                    }
                )
    return curves


def deep_sums(rows: Sequence[Record], baseline: Sequence[Record], n_layers: int, seed: int = 0) -> list[Record]:
    """Sum attention and MLP over the second half of the layers, for cases whose prior is against the instruction."""
    known = {(row["id"], row["target"]): row for row in baseline}
    sums = []
    for outcome in ("all", "success", "failure"):
        by_case: dict[Any, dict[str, float]] = {}
        for row in rows:
            case = row["id"], row["target"]
            if row["layer"] >= n_layers // 2 and _belongs(known[case], outcome, "against"):
                total = by_case.setdefault(case, {"attention": 0.0, "mlp": 0.0})
                total["attention"] += row["attention"]
                total["mlp"] += row["mlp"]
        if by_case:
            parts = {name: _interval(name, [c[name] for c in by_case.values()], seed) for name in ("attention", "mlp")}
            sums.append({"outcome": outcome, "n": len(by_case), **parts["attention"], **parts["mlp"]})
    return sums


def head_rows(scores: Mapping[str, HeadScores]) -> list[Record]:
    """List every head's mean scores under each instruction, with its role."""
    return [
        {
            "score": name,
            "layer": layer,
            "head": head,
            **{target: float(found.mean(target)[layer, head]) for target in found.modalities},
            "mean": float(found.mean()[layer, head]),
            "role": found.role((layer, head)),
        }
        for name, found in scores.items()
        for layer in range(found.values.shape[1])
        for head in range(found.values.shape[2])
    ]


def choices(scores: Mapping[str, HeadScores], share: float, seed: int = 0) -> list[Record]:
    """Say of each score which heads it chooses, and how stable the choice is."""
    rows = []
    for name, found in scores.items():
        count = how_many(found.values[0].numel(), share)
        heads = top_heads(found.mean(), count)
        halves = stability(found, count, seed=seed)
        shared = jaccard(*(top_heads(found.mean(target), count) for target in found.modalities))
        rows.append(
            {
                "score": name,
                "heads": [list(head) for head in heads],
                "roles": [found.role(head) for head in heads],
                **halves._asdict(),
                "shared_by_instructions": shared,
            }
        )
    return rows


def condition_rates(rows: Sequence[Record]) -> list[Record]:
    """Count correct, opposite, other and collapsed answers by condition and measure, all instructions also together.

    Returns:
        ``condition, measure, n, rate`` with its Wilson interval, ``opposite, other, collapse``, and the difference to
        the intact model on the same questions: ``difference`` with its interval, and McNemar's ``p``.
    """
    found = []
    asked = [{**row, "named": row["measure"]} for row in rows]  # with what is named, questions are unique
    asked += [{**row, "measure": "following"} for row in asked if row["measure"] in MODALITIES]
    intact = {(r["measure"], r["id"], r["named"]): r for r in asked if r["condition"] == "intact"}
    for (condition, measure), part in grouped(asked, "condition", "measure"):
        n, rate = len(part), wilson(sum(row["correct"] for row in part), len(part))
        paired = [(row["correct"], intact[row["measure"], row["id"], row["named"]]["correct"]) for row in part]
        change = paired_difference([a for a, _ in paired], [b for _, b in paired])
        found.append(
            {
                "condition": condition,
                "measure": measure,
                "n": n,
                "rate": rate.value,
                "rate_low": rate.low,
                "rate_high": rate.high,
                "opposite": sum(row["opposite"] for row in part) / n,
                "other": sum(row["label"] == "other" for row in part) / n,
                "collapse": sum(row["collapsed"] for row in part) / n,
                "difference": change.difference,
                "difference_low": change.low,
                "difference_high": change.high,
                "p": change.p,
            }
        )
    return found


def recovery(rows: Sequence[Record], condition: str, modalities: Sequence[Modality]) -> list[Record]:
    """Count what an amplification repairs and what it breaks, by named modality and together.

    Failures count only where the model is able: it answers the item right from each modality alone (``able``); all
    failures are given beside them.

    Args:
        rows: Answers to test items.
        condition: The amplification.
        modalities: Those that the items set against each other.

    Returns:
        ``target, failed, repaired`` (share of the failures that follow now), ``able_failed, able_repaired, followed,
        broken`` (share of the items followed before that no longer are) and ``net`` (change of the following rate).
    """
    before = {(r["measure"], r["id"]): r["correct"] for r in rows if r["condition"] == "intact"}
    after = {(r["measure"], r["id"]): r["correct"] for r in rows if r["condition"] == condition}
    able = {i for _, i in before if all(before.get((f"{m} only", i)) for m in modalities)}
    found = []
    for target in (*modalities, together(modalities)):
        counted = (target,) if target in modalities else modalities
        asked = [key for key in before if key[0] in counted and key in after]
        failed, followed = [k for k in asked if not before[k]], [k for k in asked if before[k]]
        able_failed = [k for k in failed if k[1] in able]
        found.append(
            {
                "target": target,
                "failed": len(failed),
                "repaired": _share(after[k] for k in failed),
                "able_failed": len(able_failed),
                "able_repaired": _share(after[k] for k in able_failed),
                "followed": len(followed),
                "broken": _share(not after[k] for k in followed),
                "net": sum(after[k] - before[k] for k in asked) / max(1, len(asked)),
            }
        )
    return found


def perplexities(rows: Sequence[Record]) -> list[Record]:
    """Return the perplexity of the contexts under each condition, all tokens weighing the same."""
    found = []
    for (condition,), part in grouped(rows, "condition"):
        tokens = sum(row["tokens"] for row in part)
        nats = sum(row["nats"] * row["tokens"] for row in part) / tokens
        found.append({"condition": condition, "tokens": tokens, "perplexity": float(torch.tensor(nats).exp())})
    return found


def _belongs(case: Record, outcome: str, prior: str) -> bool:
    right_outcome = outcome in ("all", _outcome(case["label"]))
    return right_outcome and prior in ("all", "for" if case["prior"] > 0 else "against")


def _outcome(label: str) -> str:
    return "success" if label == LABELS[0] else "failure"


def _interval(name: str, values: Sequence[float], seed: int) -> dict[str, float]:
    found = bootstrap_mean(values, seed)
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _mean(values: Iterable[float]) -> float:
    own = list(values)
    return sum(own) / len(own)


def _share(values: Iterable[bool]) -> float | None:
    own = list(values)
    return sum(own) / len(own) if own else None
