"""What a format of other tools can say of steering vectors, and the registry of formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from trimtab.engine import Positions
from trimtab.registry import Registry


@dataclass(frozen=True)
class Vectors:
    """What goes out: vectors that are added as they are.

    Attributes:
        by_layer: For each layer, counted from 0, the float32 vector ``(hidden,)`` that is added to its output.
        positions: Where.
        n_layers: Layers of the model.
        family: The model's ``model_type``.
    """

    by_layer: Mapping[int, Tensor]
    positions: Positions
    n_layers: int
    family: str


@dataclass(frozen=True)
class Found:
    """What a file holds.

    Attributes:
        by_layer: A vector for each layer, counted from 0.
        made_for: What it says of its model; empty if nothing.
        notes: What else of it matters, each a sentence.
        anywhere: A vector that the file gives no layer.
    """

    by_layer: Mapping[int, Tensor]
    made_for: str = ""
    notes: tuple[str, ...] = ()
    anywhere: Tensor | None = None


class Format(ABC):
    """A format of another tool."""

    name: ClassVar[str]
    title: ClassVar[str]
    """The tools and what they call it."""
    looks: ClassVar[str]
    """What such a file looks like."""
    writes: ClassVar[bool] = True
    says: ClassVar[tuple[Positions, ...]] = ("all",)
    """Positions that its tools can add at; the first is what they do unless told otherwise."""
    first_layer: ClassVar[int] = 0
    """The lowest layer that it can name."""
    names_a_layer: ClassVar[bool] = False
    """Whether who uses a file says which of its layers, so that it has more than are used at once."""
    unsaid: ClassVar[tuple[str, ...]] = ()
    """What its files do not hold, beside what no format does."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a path looks like this format's; it need not be sound."""

    @abstractmethod
    def read(self, path: Path) -> Found:
        """Read a file.

        Raises:
            ArtifactError: It is broken, or says what an artifact cannot hold.
            MissingDependencyError: A package is needed that is not installed.
        """

    def write(self, vectors: Vectors, path: Path) -> str:
        """Write a file, and return how its tool is told to use it.

        Raises:
            MissingDependencyError: A package is needed that is not installed.
        """
        raise NotImplementedError


UNSAID = (
    "the target and the model's fingerprint",
    "what was measured, and the items that were learned from",
)
"""What no format of another tool holds."""

FORMATS: Registry[Format] = Registry("`format` of vectors")
"""Known formats by name."""
