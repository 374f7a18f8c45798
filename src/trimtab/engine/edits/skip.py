"""Skip layers: some tokens leave a layer as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_layers
from trimtab.engine.edits.edit import PlacedEdit, Site
from trimtab.engine.edits.places import ALL, Places, check_places


@dataclass(frozen=True, eq=False)
class SkipLayers(PlacedEdit):
    """Tokens at ``at`` leave layers as they came in; other tokens still see the keys that they have there.

    To skip all layers after layer M at the last token is to read the answer off layer M by the model's own final norm
    and head: an early exit, as in DoLa (arXiv 2309.03883) and iTaD (NAACL 2025).

    Attributes:
        layers: Decoder blocks, 0-based; negative counts from the end.
        at: Where: names of places and token indices.
    """

    site: ClassVar[Site] = "skip"
    needs: ClassVar[Capability] = Capability.SKIP_LAYERS

    layers: tuple[int, ...]
    at: Places = (ALL,)

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        check_layers(model, self.layers, "SkipLayers")
        check_places(self.at, "at", "SkipLayers")

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return tuple(sorted({layer % model.n_layers for layer in self.layers}))
