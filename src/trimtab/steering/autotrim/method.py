"""Autotrim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import torch

from trimtab.engine import Capability, ModelOrEngine, Positions, Predictor, check_layer, require
from trimtab.fields import Positive, Share, Some
from trimtab.items import Item, remembered
from trimtab.progress import SILENT, Progress
from trimtab.steering.amps import AMPS
from trimtab.steering.artifact import Artifact
from trimtab.steering.autotrim.chooser import AutotrimChooser
from trimtab.steering.gate import MIN_CONFIDENCE
from trimtab.steering.l2s import L2S, NetworkConfig
from trimtab.steering.mean import MeanDifference
from trimtab.steering.method import Method, default_layer, register
from trimtab.steering.training_set import TrainingSet

Base = Literal["own", "l2s", "amps", "mean"]


@register
@dataclass(frozen=True)
class Autotrim(Method):
    """Choose each item's strength in a closed loop, by what the model itself shows.

    Asked without the other modalities, a model says what the target alone supports. Autotrim tries a grid of strengths
    and layers on the full prompt, all as rows on one shared prefix, and keeps for each item the candidate whose answer
    distribution is nearest to that. It steers only where it sees a conflict: where the target alone is sure of an
    answer, and so are the others without it. An item that needs both is left as it is, since neither is sure there. No
    labels are used in choosing.

    Attributes:
        target: The modality to follow.
        layers: Candidate layers, 0-based; none given, those at half and three quarters of the depth, and the last;
            for learned vectors those that a ``TrainingSet`` has.
        strengths: Candidate strengths, beside 0.
        positions: Where vectors are added; see ``AddVector``.
        min_confidence: Each side alone must give its best answer at least this probability; 0 steers every item.
        base: Whose vectors: ``own``: each item's own way from its plain state to its state when given the target
            alone, which takes no training and no instruction; or Learn-to-Steer's, AMPS's, or the mean difference.
        network: Size and training of the networks.
        seed: Seed of whatever is random in learning.
    """

    name: ClassVar[str] = "autotrim"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.LOGITS, Capability.ADD_VECTOR})
    title: ClassVar[str] = "autotrim"
    colour: ClassVar[str] = "#882255"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "gated_drop", "instruction", "drop", "l2s", "amps")

    layers: tuple[int, ...] = ()
    strengths: Annotated[tuple[Positive, ...], Some()] = (0.5, 1.0, 2.0, 4.0, 8.0)
    positions: Positions = "last_prompt"
    min_confidence: Share = MIN_CONFIDENCE
    base: Base = "own"
    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0

    @property
    def is_seeded(self) -> bool:
        """Whether the vectors are a network's."""
        return self.base in ("l2s", "amps")

    def fit(
        self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT
    ) -> Artifact:
        """Learn a vector's predictor at every candidate layer, or nothing for ``base="own"``; see ``Method.fit``."""
        require(model, *self.needs, owner="Autotrim.fit")
        spread = dict.fromkeys((default_layer(model), 3 * model.n_layers // 4, model.n_layers - 1))
        if self.base != "own" and isinstance(items, TrainingSet):
            spread = dict.fromkeys(items.layers)  # where its states were read
        layers = [check_layer(model, layer, "Autotrim") for layer in self.layers or spread]
        rule = (self.target, layers, sorted(self.strengths), self.positions, self.min_confidence)
        if self.base == "own":
            return self.artifact(model, chooser=AutotrimChooser(*rule))
        train = items if isinstance(items, TrainingSet) else TrainingSet(model, items, layers, progress)
        train.check_target(self.target, type(self).__name__)
        learned = [self._predictor(train, layer) for layer in layers]
        tensors = {
            name: torch.stack([getattr(predictor, name) for predictor, _ in learned])
            for name in ("w_in", "b_in", "w_out", "b_out")
        }
        about = {str(layer): metrics for layer, (_, metrics) in zip(layers, learned, strict=True)}
        return self.artifact(
            model,
            chooser=AutotrimChooser(*rule, **tensors),
            data_fingerprint=train.fingerprint,
            fitted_items=remembered(train.items),
            metrics={"train": {"items": len(train.items), "skipped": len(train.states.skipped), "layers": about}},
        )

    def _predictor(self, train: TrainingSet, layer: int) -> tuple[Predictor, dict[str, Any]]:
        shared: dict[str, Any] = {"target": self.target, "layer": layer, "seed": self.seed}
        if self.base == "mean":
            mean, metrics = MeanDifference(**shared).learn(train, layer)
            hidden = len(mean)
            still = Predictor(torch.zeros(1, hidden), torch.zeros(1), torch.zeros(hidden, 1), mean)
            return still, metrics
        return {"l2s": L2S, "amps": AMPS}[self.base](**shared, network=self.network).learn(train, layer)
