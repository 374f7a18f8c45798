"""Choosing each item's strength by what the model itself shows, without labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Capability, Edit, ModelOrEngine, Predictor, Prompt
from trimtab.modalities import Modality
from trimtab.registry import Registry

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

CHOOSERS: Registry[type[Chooser]] = Registry("`kind` of a chooser", key="kind")
"""Known choosers by kind."""

register_chooser = CHOOSERS.register
"""Makes a chooser known by its kind, so that artifacts that hold one can be loaded."""


@dataclass(frozen=True, eq=False)
class Chooser(ABC):
    """What decides an item's edits when it is asked. Fields are tensors, or plain data that JSON can hold."""

    kind: ClassVar[str]
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.ADD_VECTOR})
    """What an engine must be able to do for the choice and for what is chosen."""
    has_strength: ClassVar[bool] = False
    """Whether the strength is a setting of the choice itself, and so to be tuned."""
    earlier: ClassVar[Mapping[str, str]] = {}
    """What fields were called in artifacts that were saved earlier, with their names of today."""

    @abstractmethod
    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return the edits of each prompt; ``strength`` is not 0."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the fields that are tensors, by name."""
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}

    def config(self) -> dict[str, Any]:
        """Return the other fields."""
        return {f.name: value for f in fields(self) if not isinstance(value := getattr(self, f.name), Tensor)}

    @classmethod
    def restored(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        """Make the chooser of what ``config`` and ``tensors`` gave.

        Raises:
            TypeError: A field is missing or unknown.
        """
        return cls(**config, **tensors)

    @classmethod
    def renamed(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration under the fields' names of today."""
        return {cls.earlier.get(name, name): value for name, value in config.items()}


@dataclass(frozen=True, eq=False)
class StrengthChooser(Chooser):
    """A chooser of one factor for each item, by which the artifact's own vector is multiplied."""

    @abstractmethod
    def factors(self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact) -> Tensor:
        """Return each prompt's factor on the strength, ``(prompts,)``; 0 leaves the prompt unsteered."""

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return ``AddVector`` with each prompt's own strength."""
        assert artifact.layer is not None
        assert artifact.direction is not None
        return [
            (AddVector(artifact.layer, artifact.direction, strength * factor, artifact.positions),) if factor else ()
            for factor in self.factors(model, prompts, artifact).tolist()
        ]


def has_evidence(prompt: Prompt, modality: Modality) -> bool:
    """Whether a prompt has something of a modality that tokens can stand for."""
    return modality in prompt.modalities and (modality != "text" or bool(prompt.context))


def vectors_of(
    direction: Float[Tensor, " hidden"] | Predictor, states: Float[Tensor, "rows hidden"]
) -> Float[Tensor, "rows hidden"]:
    """Return the vector that a direction gives each state, ``(rows, hidden)``."""
    return direction(states) if isinstance(direction, Predictor) else direction.expand(len(states), -1)
