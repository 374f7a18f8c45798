"""Patching in numbers: what moves with which tokens, when the lens decides, and which heads override."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trimtab.circuits import HeadScores, crossovers, head_class, override_heads
from trimtab.circuits.readouts import LABELS
from trimtab.modalities import Modality
from trimtab.studies.circuits.results import rows_of, scores_in
from trimtab.studies.kit.records import Record, grouped, records
from trimtab.studies.kit.simultaneous import simultaneous
from trimtab.studies.kit.statistics import clustered_rate
from trimtab.studies.kit.study import Results

RESAMPLES = 1000


def patch_curves(rows: Sequence[Record], seed: int = 0) -> list[Record]:
    """Average patched states by donor, part and layer.

    Returns:
        ``donor, part, layer, n``; ``moved``: the mean shift of the margin as a share of the mean way to the donor's,
        with a band that holds at all layers of a curve at once; ``flips``: the share of pairs whose first token becomes
        the donor's, with an interval of its own at each layer. Cases of one item count together.
    """
    curves = []
    for (donor, part), own in grouped(rows, "donor", "part"):
        by_layer = dict(sorted((layer, cases) for (layer,), cases in grouped(own, "layer")))
        first = next(iter(by_layer.values()))
        ids, way = [row["id"] for row in first], np.mean([row["there"] - row["before"] for row in first])
        shifts = np.array([[row["after"] - row["before"] for row in cases] for cases in by_layer.values()]).T
        band = simultaneous(shifts / way, ids, seed)
        for place, (layer, cases) in enumerate(by_layer.items()):
            flips = clustered_rate([row["flipped"] for row in cases], ids)
            curves.append(
                {
                    "donor": donor,
                    "part": part,
                    "layer": layer,
                    "n": len(cases),
                    "moved": float(band.mean[place]),
                    **{f"moved_{end}": _known(getattr(band, end)[place]) for end in ("low", "high")},
                    "flips": flips.value,
                    "flips_low": flips.low,
                    "flips_high": flips.high,
                }
            )
    return curves


def crossover_quartiles(rows: Iterable[Record], n_layers: int) -> list[Record]:
    """Return by named modality how the layers are distributed from which the lens keeps to one side.

    Returns:
        ``target, n, low, median, high`` (quartiles of the layer), ``depth`` (the median's, from 0 to 1) and ``deep``:
        the share of cases that cross in the second half of the depth.
    """
    found = []
    for (target,), part in grouped(rows, "target"):
        layers = np.array([row["crossover"] for row in part])
        low, median, high = np.quantile(layers, [0.25, 0.5, 0.75]).tolist()
        last = max(1, n_layers - 1)
        deep = float((layers / last >= 0.5).mean())
        found.append(
            {
                "target": target,
                "n": len(part),
                "low": low,
                "median": median,
                "high": high,
                "depth": median / last,
                "deep": deep,
            }
        )
    return found


def foretelling(
    crossed: Sequence[Record], baseline: Sequence[Record], modalities: Sequence[Modality], seed: int = 0
) -> list[Record]:
    """Correlate what is known of a case with whether it is answered by the first of two modalities.

    Spearman's rank correlation with a bootstrap over items: of the lens margin of the first modality over the second at
    the last layer (``final``) and at half the depth (``middle``), of the crossover's layer, and, as what anybody knows
    without looking inside, of which modality is named and of the margin without an instruction (``prior``). Over all
    cases and under each instruction; answers of neither are left out.

    Returns:
        ``target`` (a modality or ``all``), ``predictor, n``, ``rho`` with its interval, None where one of both is
        constant.
    """
    if len(modalities) != 2:
        return []
    prior = {(row["id"], row["target"]): row["prior"] for row in baseline}
    cases = []
    for row in crossed:
        if row["label"] in LABELS[:2]:
            side = 1 if row["target"] == modalities[0] else -1
            cases.append(
                {
                    "id": row["id"],
                    "target": row["target"],
                    "answer": side * (1 if row["label"] == LABELS[0] else -1),
                    "final": side * row["final"],
                    "middle": side * row["middle"],
                    "crossover": row["crossover"],
                    "named": side,
                    "prior": side * prior[row["id"], row["target"]],
                }
            )
    found = []
    for target in ("all", *modalities):
        own = [case for case in cases if target in ("all", case["target"])]
        found += [
            {"target": target, "predictor": name, "n": len(own), **_rank_correlation(own, name, seed)}
            for name in ("final", "middle", "crossover", "named", "prior")
        ]
    return found


def _rank_correlation(cases: Sequence[Record], name: str, seed: int) -> dict[str, float | None]:
    """Return ``rho`` of a predictor and the answer, with a percentile interval over items."""
    nothing: dict[str, float | None] = {"rho": None, "rho_low": None, "rho_high": None}
    x, y = (np.array([case[key] for case in cases], dtype=float) for key in (name, "answer"))
    value = _spearman(x, y)
    if value is None:
        return nothing
    places: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        places.setdefault(case["id"], []).append(number)
    items, draw = [np.array(own) for own in places.values()], np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = np.concatenate([items[k] for k in draw.integers(0, len(items), len(items))])
        again = _spearman(x[chosen], y[chosen])
        if again is not None:
            drawn.append(again)
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return {"rho": value, "rho_low": low, "rho_high": high}


def _spearman(x: np.ndarray, y: np.ndarray) -> float | None:
    from scipy.stats import rankdata

    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def override_rows(patching: HeadScores | None, direct: HeadScores | None) -> list[Record]:
    """List the heads that stand out by patching, with what of their effect is direct.

    Returns:
        ``layer, head, side`` (``promoting`` or ``suppressing``), ``sigmas`` on the first principal component, the share
        of the way ``moved`` and the part of it that is ``direct``, and ``works_by`` (``writing`` or ``routing``).
    """
    if patching is None or direct is None or len(patching.modalities) != 2:
        return []
    found = override_heads(patching)
    return [
        {
            "layer": head[0],
            "head": head[1],
            "side": side,
            "sigmas": float(found.positions[head]),
            "moved": float(patching.mean()[head]),
            "direct": float(direct.mean()[head]),
            "works_by": head_class(patching, direct, head),
        }
        for side, heads in (("promoting", found.promoting), ("suppressing", found.suppressing))
        for head in heads
    ]


def ablation_rates(rows: Sequence[Record]) -> list[Record]:
    """Count by named modality how many followed answers flip when heads are silenced, beside random sets.

    A case counts if its named modality leads before; it flips if the other leads afterwards, as the paper counts.

    Returns:
        ``heads, target, n, flips`` with an interval; ``random``, the mean over random sets of as many heads,
        ``random_most``, the largest, and ``p``: the share of sets, this one included, that flip as many.
    """
    followed = [row for row in rows if row["before"] > 0]
    flipped: dict[tuple[str, str], list[bool]] = {
        key: [row["after"] <= 0 for row in part] for key, part in grouped(followed, "heads", "target")
    }
    found = []
    for (heads, target), own in flipped.items():
        if heads.startswith("random "):
            continue
        others = [_rate(f) for (name, at), f in flipped.items() if at == target and name.startswith("random ")]
        rate = clustered_rate(own)
        found.append(
            {
                "heads": heads,
                "target": target,
                "n": len(own),
                "flips": rate.value,
                "flips_low": rate.low,
                "flips_high": rate.high,
                "random": float(np.mean(others)),
                "random_most": max(others),
                "p": (1 + sum(rate.value <= other for other in others)) / (1 + len(others)),
            }
        )
    return found


def _rate(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def patching_summary(
    done: Results, baseline: Sequence[Record], modalities: Sequence[Modality], n_layers: int, seed: int
) -> dict[str, Any]:
    """Sum up everything that was patched, and the crossovers of the lens, from the finished steps."""
    table: Any = done["lens"].table
    crossed = records(crossovers(table[table["norm"] == "final"]))
    patching = scores_in(done, "patching", "scores-patching")
    direct = scores_in(done, "patching-direct", "patched-directly")
    donors = {
        name.removeprefix("patches-"): step.own_notes for name, step in done.items() if name.startswith("patches-")
    }
    return {
        "pairs": [{"donor": donor, "refused": None, **notes} for donor, notes in donors.items()],
        "curves": patch_curves(rows_of(done, "patches"), seed),
        "crossovers": crossover_quartiles(crossed, n_layers),
        "foretelling": foretelling(crossed, baseline, modalities, seed),
        "overrides": override_rows(patching, direct),
        "ablation": ablation_rates(records(done["ablation"].table)),
    }
