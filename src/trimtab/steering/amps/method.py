"""AMPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from trimtab.engine import Capability, Predictor
from trimtab.errors import UsageError
from trimtab.steering.amps.chooser import RatioChooser
from trimtab.steering.amps.factors import Anchor, Reading, factors_of, mean_and_unit, scaling, that_counts
from trimtab.steering.amps.ratio import Ratio, shares_and_reliability
from trimtab.steering.chooser import Chooser
from trimtab.steering.l2s import NetworkConfig, fit_network
from trimtab.steering.method import Method, VectorMethod, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class AMPS(VectorMethod):
    """Learn-to-Steer's network, trained on vectors scaled by modality contribution (arXiv 2602.12533, eq. 9 to 12).

    The paper samples its ratio by noise, and says neither how large the noise is nor how often it is drawn. A sampled
    ratio is mostly noise itself at a few draws, so the default here is the exact limit for ever smaller noise. The
    artifact's metrics hold the ratio's ``reliability``: its rank correlation between two seeds, 1 where it is exact.
    See ``VectorMethod`` for the other attributes.

    Attributes:
        reading: How to read the paper's scaling; see ``scaling``. ``"auto"``: ``tune`` tries ``literal`` and
            ``prose`` and keeps the better one on validation items; ``fit``, which has none, takes ``"prose"``.
        beta: How much the share matters (eq. 9).
        anchor: Whether an item's share is set against its task's mean or against that of all items. ``"auto"``: the
            task's, as in the paper; online that of all, since a prompt does not say its task.
        shuffled: Give the scalings to items at random instead: the control for whether their assignment matters.
        ratio: How shares are measured. ``"kl_limit"``: the exact limit of KL, ``MCS()``; ``"ce_limit"``: that of the
            paper's cross entropy; ``"ce_sampled"``: the paper's cross entropy under noise, ``MCS.paper()``;
            ``"shapley"``: exact Shapley values of the modalities, a ratio that no noise is needed for.
        online: Scale at test time, not at training: the network learns the plain vectors, as L2S does, and each
            prompt's own ratio is measured to scale what it predicts.
        network: Size and training of the network.
    """

    name: ClassVar[str] = "amps"
    title: ClassVar[str] = "AMPS"
    colour: ClassVar[str] = "#D55E00"
    compared_with: ClassVar[tuple[str, ...]] = ("l2s", "instruction", "none")
    forms: ClassVar[tuple[str, ...]] = ("predictor",)
    needs: ClassVar[frozenset[Capability]] = VectorMethod.needs | {Capability.CACHE, Capability.GRADIENTS}

    reading: Reading | Literal["auto"] = "auto"
    beta: float = 1.0
    anchor: Anchor | Literal["auto"] = "auto"
    shuffled: bool = False
    ratio: Ratio = "kl_limit"
    online: bool = False
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.online and (self.shuffled or self.anchor == "task"):
            raise UsageError(
                "`online` of AMPS must be False where scalings are shuffled or set against their task's mean, since a "
                "prompt is scaled by itself and does not say its task; got True; leave out `shuffled` and `anchor`."
            )

    def variants(self) -> Mapping[str, Method]:
        """Return a method for each reading that tuning may choose."""
        readings = ("literal", "prose") if self.reading == "auto" else (self.reading,)
        return {reading: replace(self, reading=reading) for reading in readings}

    @property
    def _read_as(self) -> Reading:
        return "prose" if self.reading == "auto" else self.reading

    def learn(self, train: TrainingSet, layer: int) -> tuple[Predictor, dict[str, Any]]:
        """Train the network on the items' steering vectors, scaled unless that is done online."""
        plain, vectors = train.states.plain[layer], train.states.steering_vectors(self.target, layer)
        if self.online:
            return fit_network(plain, vectors, self.network, self.seed)
        shares, reliability = shares_and_reliability(train, self.ratio, self.target, self.seed)
        anchor = "task" if self.anchor == "auto" else self.anchor
        factors = scaling(shares, [i.task for i in train.items], self.target, self._read_as, self.beta, anchor)
        if self.shuffled:
            factors = factors[torch.randperm(len(factors), generator=torch.Generator().manual_seed(self.seed))]
        network, metrics = fit_network(plain, vectors * factors[:, None].float(), self.network, self.seed)
        return network, metrics | self._about(factors, shares[self.target], reliability)

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Return what scales each prompt's vector, if that is done online."""
        if not self.online:
            return None, {}
        shares, reliability = shares_and_reliability(train, self.ratio, self.target, self.seed)
        own = that_counts(shares, self.target, self._read_as)
        mean, unit = mean_and_unit(own, self._read_as)
        factors = factors_of(own, mean, unit, self._read_as, self.beta)
        divisor = float(factors.mean()) if self._read_as == "normalised" else 1.0
        rule = (self.target, self.ratio, self._read_as, self.beta, mean, unit, divisor, self.seed)
        return RatioChooser(*rule), self._about(factors / divisor, shares[self.target], reliability)

    def _about(self, factors: Tensor, shares: Tensor, reliability: float | None) -> dict[str, Any]:
        return {
            "reading": self._read_as,
            "ratio": {"measured_by": self.ratio, "reliability": reliability},
            "scaling": {
                "mean": float(factors.mean()),
                "std": float(factors.std(correction=0)),
                "min": float(factors.min()),
                "max": float(factors.max()),
                "at_zero": int((factors == 0).sum()),
                "items_without_ratio": int(shares.isnan().sum()),
            },
        }
