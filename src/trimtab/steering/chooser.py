"""Choosing how each item is steered by what the model itself shows, without labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Capability, Edit, ModelOrEngine, Predictor, Prompt, Row
from trimtab.modalities import Modality
from trimtab.registry import Registry
from trimtab.steering.asks import Ask

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

CHOOSERS: Registry[type[Chooser]] = Registry("`kind` of a chooser", key="kind")
"""Known choosers by kind."""

register_chooser = CHOOSERS.register
"""Makes a chooser known by its kind, so that artifacts that hold one can be loaded."""


@dataclass(frozen=True, eq=False)
class Chooser(ABC):
    """What decides how an item is asked, when it is: by which edits, or by another prompt.

    A chooser of edits overrides ``edits``; one of prompts overrides ``asks``. Fields are tensors, or plain data that
    JSON can hold.
    """

    kind: ClassVar[str]
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.HIDDEN, Capability.ADD_VECTOR})
    """What an engine must be able to do for the choice and for what is chosen."""
    has_strength: ClassVar[bool] = False
    """Whether the strength is a setting of the choice itself, and so to be tuned."""
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    """Shapes of the tensors that are the same for every model."""
    earlier: ClassVar[Mapping[str, str]] = {}
    """What fields were called in artifacts that were saved earlier, with their names of today."""

    def asks(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> Sequence[Ask]:
        """Return what to ask for each prompt, by default the prompt under its edits; ``strength`` is not 0."""
        found = self.edits(model, prompts, artifact, strength)
        return [Row(prompt, edits) for prompt, edits in zip(prompts, found, strict=True)]

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return the edits of each prompt, by default none."""
        return [()] * len(prompts)

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
class FixedChooser(Chooser):
    """What does the same to every prompt, and looks at none: several edits where an artifact's own is one."""

    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.ADD_VECTOR})

    @abstractmethod
    def fixed(self, strength: float) -> tuple[Edit, ...]:
        """Return the edits of every prompt; ``strength`` is not 0."""

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return the same edits for each prompt."""
        return [self.fixed(strength)] * len(prompts)


def scaled(artifact: Artifact, factors: Tensor, strength: float) -> list[tuple[Edit, ...]]:
    """Return an artifact's own vector for each prompt, with the prompt's own strength.

    Args:
        artifact: Whose vector, layer and positions.
        factors: Each prompt's factor on the strength, ``(prompts,)``; 0 leaves the prompt unsteered.
        strength: What the factors multiply.
    """
    assert artifact.layer is not None
    assert artifact.direction is not None
    rule = artifact.layer, artifact.direction
    return [(AddVector(*rule, strength * own, artifact.positions),) if own else () for own in factors.tolist()]


def has_evidence(prompt: Prompt, modality: Modality) -> bool:
    """Whether a prompt has something of a modality that tokens can stand for."""
    return modality in prompt.modalities and (modality != "text" or bool(prompt.context))


def vectors_of(
    direction: Float[Tensor, " hidden"] | Predictor, states: Float[Tensor, "rows hidden"]
) -> Float[Tensor, "rows hidden"]:
    """Return the vector that a direction gives each state, ``(rows, hidden)``."""
    return direction(states) if isinstance(direction, Predictor) else direction.expand(len(states), -1)
