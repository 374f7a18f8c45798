"""Change attention scores: some tokens look harder at some others, or at all alike, in some layers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_layers, check_number
from trimtab.engine.edits.edit import Edit, Site
from trimtab.engine.edits.places import Places, check_places, describe_places, resolve
from trimtab.engine.encoded import Encoded


@dataclass(frozen=True, eq=False)
class ScoreEdit(Edit):
    """What edits of attention scores have in common.

    Scores are those before the softmax, of all heads. The decoder attends by an implementation of our own while such an
    edit is in force, since the fused ones never show their scores.

    Attributes:
        source: The tokens looked at: names of places and token indices of the prompt; ``all`` includes generated ones.
        target: The tokens that look; ``generated`` or ``all`` includes generated tokens.
        layers: Decoder blocks, 0-based; negative counts from the end.
        strength: How much; 0 changes nothing.
    """

    site: ClassVar[Site] = "scores"
    needs: ClassVar[Capability] = Capability.EDIT_SCORES

    source: Places
    target: Places
    layers: tuple[int, ...]
    strength: float

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        owner = type(self).__name__
        check_places(self.source, "source", owner)
        check_places(self.target, "target", owner)
        check_layers(model, self.layers, owner)
        check_number(self.strength, "strength", owner, "PAI uses 0.2")

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"{type(self).__name__}({describe_places(self.source)} to {describe_places(self.target)})"

    @property
    def places(self) -> Places:
        """Its sources and targets."""
        return (*self.source, *self.target)

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return tuple(sorted({layer % model.n_layers for layer in self.layers}))

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index whose attention changes; earlier tokens may be reused from a cache."""
        resolve(self.source, prompt, "source", type(self).__name__)
        return resolve(self.target, prompt, "target", type(self).__name__).first


@dataclass(frozen=True, eq=False)
class LinearScoreEdit(ScoreEdit):
    """A score edit that adds to each score a multiple of its size and of itself."""

    @abstractmethod
    def change(self) -> tuple[float, float]:
        """Return what multiplies ``|s|`` and ``s`` in the change of a score s."""


@dataclass(frozen=True, eq=False)
class BoostAttention(LinearScoreEdit):
    """PAI (arXiv 2407.21771): scores of ``target`` queries on ``source`` keys become ``s + strength |s|``.

    See ``ScoreEdit`` for the attributes.
    """

    def change(self) -> tuple[float, float]:
        """Return ``strength, 0``."""
        return self.strength, 0.0


@dataclass(frozen=True, eq=False)
class FlattenAttention(LinearScoreEdit):
    """Scores of ``target`` queries on ``source`` keys become ``(1 - strength) s``; 1 looks at all of them alike.

    With both places ``all`` and strength 1 it is CausalMM's uniform counterfactual (arXiv 2410.04780). See
    ``ScoreEdit`` for the attributes.
    """

    def change(self) -> tuple[float, float]:
        """Return ``0, -strength``."""
        return 0.0, -self.strength
