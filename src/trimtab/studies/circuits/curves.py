"""The curves of a circuits study over layers, with bands and tests that hold at all layers of a curve at once.

Whoever looks for the strongest layer looks at all, so bands and p-values are corrected for them (``simultaneous``).
What is flipped are items: the cases of one item are no independent evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from trimtab.circuits.readouts import LABELS, chance_of
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.simultaneous import simultaneous
from trimtab.studies.kit.statistics import clustered_rate

CONTROL = "random for "
"""How the names of control edges begin; that of the edge follows."""


def flow_curves(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average knockouts by edge, named modality and layer.

    Returns:
        ``edge, target, layer, n``, the signed two-way ``effect`` and the ``change`` of the margin, each with its band
        (``_low``, ``_high``) and ``_p``; and ``flips``: the share of cases whose first token follows before and no
        longer after.
    """
    curves = []
    for (edge, target), part in grouped(rows, "edge", "target"):
        averaged = _curves(part, ("effect", "change"), seed)
        for layer, own in _by_layer(part):
            followed = [row for row in own if row["label_before"] == LABELS[0]]
            lost = sum(row["label_after"] != LABELS[0] for row in followed)
            flips = lost / len(followed) if followed else None
            where = {"edge": edge, "target": target, "layer": layer, "n": len(own)}
            curves.append({**where, **averaged[layer], "flips": flips})
    return curves


def beyond_controls(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average by how much more cutting an edge does than its control, case by case.

    Returns:
        Rows as ``flow_curves`` makes them, of the ``effect`` alone, over the cases that have a control.
    """
    known = {(row["edge"], row["target"], row["id"], row["layer"]): row["effect"] for row in rows}
    differences = []
    for row in rows:
        edge = row["edge"].removeprefix(CONTROL)
        key = (edge, row["target"], row["id"], row["layer"])
        if edge != row["edge"] and key in known:
            differences.append({**row, "edge": edge, "effect": known[key] - row["effect"]})
    found = []
    for (edge, target), part in grouped(differences, "edge", "target"):
        averaged = _curves(part, ("effect",), seed)
        where = {"edge": edge, "target": target}
        found += [{**where, "layer": layer, "n": len(own), **averaged[layer]} for layer, own in _by_layer(part)]
    return found


def lens_curves(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average the lens by norm, span, named modality, outcome and layer.

    Returns:
        ``norm, span, target, outcome, layer, n``, both answers' logits, their ``margin`` with its band and p, the
        ``agreement`` of the latent with the final decision, and the agreement a guess would have (``chance``).
    """
    curves = []
    columns = ("norm", "span", "target", "outcome")
    told = [{**row, "outcome": outcome_of(row["label"]), "margin": row["following"] - row["competing"]} for row in rows]
    for key, part in grouped(told, *columns):
        averaged = _curves(part, ("margin",), seed)
        for layer, own in _by_layer(part):
            decided = torch.tensor([int(row["agrees"] == (row["margin"] > 0)) for row in own])
            curves.append(
                {
                    **dict(zip(columns, key, strict=True)),
                    "layer": layer,
                    "n": len(own),
                    "following": _mean(row["following"] for row in own),
                    "competing": _mean(row["competing"] for row in own),
                    **averaged[layer],
                    "agreement": _mean(float(row["agrees"]) for row in own),
                    "chance": chance_of(decided),
                }
            )
    return curves


def latent_decisions(rows: Sequence[Record]) -> Record:
    """Count how often the instruction tokens' latent decision is the final one, in the deepest quarter of the layers.

    Returns:
        ``items, readings`` and the ``agreement`` with its interval, in which the readings of one item count together.
    """
    last = max(row["layer"] for row in rows)
    first = last - max(1, (last + 1) // 4) + 1
    deep = [r for r in rows if (r["norm"], r["span"]) == ("none", "anchor") and r["layer"] >= first]
    ids = [row["id"] for row in deep]
    found = clustered_rate([bool(row["agrees"]) for row in deep], ids)
    ends = {"agreement_low": found.low, "agreement_high": found.high}
    return {"items": len(set(ids)), "readings": len(deep), "agreement": found.value, **ends}


def layer_curves(rows: Sequence[Record], baseline: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average what attention and MLP of each layer add to the margin, by outcome and by the prior.

    The prior is the margin without an instruction: ``for`` the named modality or ``against`` it. Semantic inertia would
    be an MLP that adds to what the prior prefers, against the instruction.

    Returns:
        ``outcome, prior, layer, n``, ``attention`` and ``mlp`` with their bands and p; outcome and prior can be
        ``all``.
    """
    known = {(row["id"], row["target"]): row for row in baseline}
    curves = []
    for outcome in ("all", "success", "failure"):
        for prior in ("all", "for", "against"):
            part = [row for row in rows if _belongs(known[row["id"], row["target"]], outcome, prior)]
            averaged = _curves(part, ("attention", "mlp"), seed) if part else {}
            for layer, own in _by_layer(part):
                where = {"outcome": outcome, "prior": prior, "layer": layer, "n": len(own)}
                curves.append({**where, **averaged[layer]})
    return curves


def deep_sums(rows: Sequence[Record], baseline: Sequence[Record], n_layers: int, seed: int = 0) -> list[Record]:
    """Sum attention and MLP over the second half of the layers, for cases whose prior is against the instruction.

    Returns:
        ``outcome, n, items``, ``attention`` and ``mlp`` with intervals and p that hold for both.
    """
    known = {(row["id"], row["target"]): row for row in baseline}
    sums = []
    for outcome in ("all", "success", "failure"):
        by_case: dict[Any, list[float]] = {}
        for row in rows:
            case = row["id"], row["target"]
            if row["layer"] >= n_layers // 2 and _belongs(known[case], outcome, "against"):
                total = by_case.setdefault(case, [0.0, 0.0])
                total[0] += row["attention"]
                total[1] += row["mlp"]
        if by_case:
            found = simultaneous(np.array([*by_case.values()]), [item for item, _ in by_case], seed)
            parts = {**_told("attention", found, 0), **_told("mlp", found, 1)}
            sums.append({"outcome": outcome, "n": len(by_case), "items": found.clusters, **parts})
    return sums


def outcome_of(label: str) -> str:
    """Return whether a case with this label is a ``success`` or a ``failure``."""
    return "success" if label == LABELS[0] else "failure"


def _curves(part: Sequence[Record], names: Sequence[str], seed: int) -> dict[int, dict[str, float | None]]:
    """Return for each layer the means of some columns, each with a band and p over all layers."""
    cases = list(dict.fromkeys((row["id"], row["target"]) for row in part))
    layers = sorted({row["layer"] for row in part})
    places = {case: number for number, case in enumerate(cases)}, {layer: number for number, layer in enumerate(layers)}
    found: dict[int, dict[str, float | None]] = {layer: {} for layer in layers}
    for name in names:
        values = np.zeros((len(cases), len(layers)))
        for row in part:
            values[places[0][row["id"], row["target"]], places[1][row["layer"]]] = row[name]
        tested = simultaneous(values, [item for item, _ in cases], seed)
        for place, layer in enumerate(layers):
            found[layer] |= _told(name, tested, place)
    return found


def _told(name: str, found: Any, place: int) -> dict[str, float | None]:
    """Name what was found at a place; an end that there is none of is None."""
    ends = {f"{name}_{end}": float(getattr(found, end)[place]) for end in ("low", "high")}
    bounds = {key: None if math.isnan(value) else value for key, value in ends.items()}
    return {name: float(found.mean[place]), **bounds, f"{name}_p": float(found.p[place])}


def _by_layer(rows: Sequence[Record]) -> Iterable[tuple[int, list[Record]]]:
    return ((layer, own) for (layer,), own in grouped(rows, "layer"))


def _belongs(case: Record, outcome: str, prior: str) -> bool:
    right_outcome = outcome in ("all", outcome_of(case["label"]))
    return right_outcome and prior in ("all", "for" if case["prior"] > 0 else "against")


def _mean(values: Iterable[float]) -> float:
    own = list(values)
    return sum(own) / len(own)
