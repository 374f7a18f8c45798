"""What every steering method has in common, and the registry of methods."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from trimtab.data import Item
from trimtab.data.prompts import MODALITIES, Modality
from trimtab.engine import POSITIONS, Positions, Predictor, check_layer
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.steering.artifact import Artifact
from trimtab.steering.training_set import TrainingSet

Progress = Callable[[int], None]

METHODS: dict[str, type[Method]] = {}
"""Known methods by name. A new method is one folder and one ``@register``."""

M = TypeVar("M", bound="type[Method]")


def register(method: M) -> M:
    """Make a method known by its name."""
    METHODS[method.name] = method
    return method


@dataclass(frozen=True)
class Method(ABC):
    """A way to make a model follow one modality.

    Attributes:
        target: The modality to follow.
    """

    name: ClassVar[str]
    adds_vector: ClassVar[bool]
    """Whether the method edits a layer, so that a layer and a strength can be tuned."""

    target: Modality = "image"

    def __post_init__(self) -> None:
        if self.target not in MODALITIES:
            raise UsageError(f"`target` of {type(self).__name__} must be 'image' or 'text'; got {self.target!r}.")

    @abstractmethod
    def fit(self, model: Model, items: Sequence[Item] | TrainingSet, progress: Progress | None = None) -> Artifact:
        """Learn from training items.

        Args:
            model: The model.
            items: Training items; or a ``TrainingSet``, to share its states among methods.
            progress: Called with the number of prompts or items just finished.

        Returns:
            The artifact, at strength 1.

        Raises:
            UsageError: The items or the layer do not suit the method.
        """

    def variants(self) -> Mapping[str, Method]:
        """Return the methods among which tuning chooses, by name; most have one."""
        return {self.name: self}

    def options(self) -> dict[str, Any]:
        """Return what was chosen about the method beside target, layer and positions, ready for JSON."""
        chosen = {k: v for k, v in asdict(self).items() if k not in ("target", "layer", "positions")}
        return json.loads(json.dumps(chosen))


@dataclass(frozen=True)
class VectorMethod(Method):
    """A method that adds a vector after one layer.

    Attributes:
        target: The modality to follow.
        layer: Decoder block, 0-based, whose output is read and changed. Left out, the one at half the depth, as
            AMPS's 14th of Qwen2.5-VL-7B's 28.
        positions: Where the vector is added; see ``AddVector``.
        seed: Seed of whatever is random in learning.
    """

    adds_vector: ClassVar[bool] = True

    layer: int | None = None
    positions: Positions = "from_last_prompt"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.positions not in POSITIONS:
            raise UsageError(
                f"`positions` of {type(self).__name__} must be one of {', '.join(POSITIONS)}; got {self.positions!r}."
            )

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet, progress: Progress | None = None) -> Artifact:
        """Learn the vector, or what predicts it, from training items; see ``Method.fit``."""
        layer = default_layer(model) if self.layer is None else self.layer
        layer = check_layer(model, layer, type(self).__name__)
        train = items if isinstance(items, TrainingSet) else TrainingSet(model, items, [layer], progress)
        if train.model is not model:
            raise UsageError(
                f"`items` of {type(self).__name__}.fit must be a TrainingSet of the same model, {model.name}; got "
                f"one of {train.model.name}; make one with this model."
            )
        if layer not in train.layers:
            raise UsageError(
                f"`layer` of {type(self).__name__} must be one of the layers whose states the TrainingSet collects "
                f"({', '.join(map(str, train.layers))}); got {layer}; make the TrainingSet with it."
            )
        direction, metrics = replace(self, layer=layer).learn(train, layer)
        return Artifact(
            method=self.name,
            target=self.target,
            layer=layer,
            positions=self.positions,
            direction=direction,
            model_name=model.name,
            model_fingerprint=model.fingerprint,
            data_fingerprint=train.fingerprint,
            options=self.options(),
            metrics={"train": {"items": len(train.items), "skipped": len(train.states.skipped), **metrics}},
        )

    @abstractmethod
    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor | Predictor, dict[str, Any]]:
        """Return the direction learned at a layer and what there is to say about it."""


def default_layer(model: Model) -> int:
    """Return the layer at half the depth: 14 of 28, 6 of 12."""
    return model.n_layers // 2
