"""Do methods agree? Rank correlations, bias, cost, and stability over seeds, on the same items."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.contribution.measuring import measure
from trimtab.contribution.method import Method
from trimtab.contribution.ranks import spearman
from trimtab.contribution.scores import Contributions
from trimtab.engine import ModelOrEngine
from trimtab.errors import UsageError
from trimtab.items import Item
from trimtab.modalities import Modality
from trimtab.progress import SILENT, Progress

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Agreement:
    """Methods beside each other on the items that all of them could measure.

    Attributes:
        reference: The method that bias is measured against.
        modality: Whose shares are set beside each other.
        items: How many items.
        shares: Each method's shares of that modality, item by item; of the image beside text alone, visual ratios.
        seconds: Each method's time for an item.
        stability: Mean rank correlation of a method's shares between seeds; 1 without randomness.
        spread: Mean over items of the standard deviation of the share over seeds.
    """

    reference: str
    modality: Modality
    items: int
    shares: Mapping[str, tuple[float, ...]]
    seconds: Mapping[str, float]
    stability: Mapping[str, float]
    spread: Mapping[str, float]

    def correlations(self) -> dict[tuple[str, str], float]:
        """Return Spearman's rank correlation of the shares of each pair of methods."""
        return {(a, b): spearman(self.shares[a], self.shares[b]) for a in self.shares for b in self.shares}

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row a method: ``method, mean, correlation, bias, seconds, stability, spread``.

        ``correlation`` and ``bias``, the mean difference of the shares, are those with the reference.
        """
        reference = np.array(self.shares[self.reference])
        return [
            {
                "method": name,
                "mean": float(np.mean(shares)),
                "correlation": spearman(shares, self.shares[self.reference]),
                "bias": float(np.mean(np.array(shares) - reference)),
                "seconds": self.seconds[name],
                "stability": self.stability[name],
                "spread": self.spread[name],
            }
            for name, shares in self.shares.items()
        ]

    def table(self) -> DataFrame:
        """Return ``rows`` as a table."""
        from pandas import DataFrame

        return DataFrame(self.rows())


def agreement(
    model: ModelOrEngine,
    items: Sequence[Item],
    methods: Mapping[str, Method],
    *,
    reference: str,
    modality: Modality = "image",
    seeds: Sequence[int] = (0, 1, 2),
    progress: Progress = SILENT,
) -> Agreement:
    """Measure the same items by several methods and see whether they agree.

    Args:
        model: The model.
        items: What to measure.
        methods: Methods with their options, by a name of your choice.
        reference: Name of the method to measure bias against, such as that of a ``Shapley``.
        modality: Whose shares to set beside each other.
        seeds: Seeds to measure stability over; a method without randomness is measured once.
        progress: Told of items as a method has measured them.

    Raises:
        UsageError: The reference is not among the methods, there is no seed, or fewer than 3 items have a share by
            all methods.
    """
    if reference not in methods:
        raise UsageError(f"`reference` of agreement must be one of {', '.join(methods)}; got {reference!r}.")
    if not seeds:
        raise UsageError("`seeds` of agreement must hold at least one seed; got none.")
    found: dict[str, list[Contributions]] = {}
    seconds = {}
    for name, method in methods.items():
        versions = _seeded(method, seeds)
        started = time.perf_counter()
        found[name] = [measure(model, items, method=version, progress=progress) for version in versions]
        seconds[name] = (time.perf_counter() - started) / (len(items) * len(versions))
    shares = _common_shares(found, modality)
    return Agreement(
        reference,
        modality,
        len(shares[reference][0]),
        {name: tuple(by_seed[0].tolist()) for name, by_seed in shares.items()},
        seconds,
        {name: _stability(by_seed) for name, by_seed in shares.items()},
        {name: float(by_seed.std(axis=0).mean()) for name, by_seed in shares.items()},
    )


def _seeded(method: Method, seeds: Sequence[int]) -> list[Method]:
    """Return the method with each seed; one without randomness as it is."""
    random = any(option.name == "seed" for option in fields(method))
    return [replace(method, seed=seed) for seed in seeds] if random else [method]


def _common_shares(found: Mapping[str, list[Contributions]], modality: Modality) -> dict[str, np.ndarray]:
    """Return each method's shares, ``(seeds, items)``, of the items that every measurement has a share of."""
    by_id = {
        name: [{c.item_id: c.shares.get(modality, np.nan) for c in run} for run in runs] for name, runs in found.items()
    }
    runs = [run for runs in by_id.values() for run in runs]
    common = [i for i in runs[0] if all(np.isfinite(run.get(i, np.nan)) for run in runs)]
    if len(common) < 3:
        raise UsageError(
            f"`items` of agreement must have a share of the {modality} by every method for at least 3 items; "
            f"{len(common)} do; give more items, with {modality} and another modality, such as a context."
        )
    return {name: np.array([[run[i] for i in common] for run in runs]) for name, runs in by_id.items()}


def _stability(by_seed: np.ndarray) -> float:
    pairs = [spearman(a, b) for a, b in combinations(by_seed, 2)]
    return float(np.mean(pairs)) if pairs else 1.0
