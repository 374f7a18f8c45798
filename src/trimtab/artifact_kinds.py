"""The kinds of artifact that ``trimtab.load_artifact`` knows; each is registered where it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.registry import Registry

if TYPE_CHECKING:
    from trimtab.engine import ModelOrEngine


@dataclass(frozen=True)
class ArtifactKind:
    """A kind of artifact.

    Attributes:
        name: What to call it.
        holds: Whether a folder holds one, by what its configuration says; it need not be a good one.
        load: Loads it for a model, and refuses what is broken or made for another.
    """

    name: str
    holds: Callable[[Path], bool]
    load: Callable[[Path, ModelOrEngine], Any]


KINDS: Registry[ArtifactKind] = Registry("`kind` of an artifact")
"""Known kinds by name."""
