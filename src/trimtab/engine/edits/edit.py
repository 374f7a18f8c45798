"""What every edit is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.places import ALL, GENERATED, Places, describe_places, resolve
from trimtab.engine.encoded import Encoded

Site = Literal["layer", "heads", "attention", "scores", "skip"]
"""Where in a layer an edit acts: on its output, its heads' outputs, which keys are seen, the scores of keys; ``skip``
on its output too, with what came into the layer at hand.
"""


class Edit(ABC):
    """An intervention as plain data: names, numbers and tensors, so that any engine can apply it.

    Attributes:
        site: Where in a layer it acts.
        needs: What an engine must be able to do to apply it.
    """

    site: ClassVar[Site]
    needs: ClassVar[Capability]

    @abstractmethod
    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name under which receipts count this edit."""

    @abstractmethod
    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""

    @abstractmethod
    def reach(self, prompt: Encoded) -> int:
        """Return the first token index the edit touches; earlier tokens may be reused from a cache."""

    @property
    def places(self) -> Places:
        """Every place that it names."""
        return ()

    @property
    def spans(self) -> frozenset[str]:
        """The spans of a prompt whose place must be known."""
        return frozenset(place for place in self.places if isinstance(place, str)) - {ALL, GENERATED}


class PlacedEdit(Edit):
    """An edit that acts at places of its own choice.

    Attributes:
        at: Where: names of places and token indices; see ``PLACES``.
    """

    at: Places

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"{type(self).__name__}({describe_places(self.at)})"

    @property
    def places(self) -> Places:
        """Where it acts."""
        return self.at

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index the edit touches; earlier tokens may be reused from a cache."""
        return resolve(self.at, prompt, "at", type(self).__name__).first
