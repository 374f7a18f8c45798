"""Change what attention heads put out, before the output projection joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_heads, check_layer, check_number, check_tensor
from trimtab.engine.edits.edit import PlacedEdit, Site
from trimtab.engine.edits.places import ALL, Places, check_places


@dataclass(frozen=True, eq=False)
class HeadEdit(PlacedEdit):
    """What edits of heads have in common.

    Heads are query heads, so under grouped-query attention one head is changed and not its group.

    Attributes:
        layer: Decoder block, 0-based; negative counts from the end.
        heads: Query heads of that layer.
        at: Where: names of places and token indices; see ``PLACES``. Generated tokens only if ``generated`` or
            ``all`` is among them.
    """

    site: ClassVar[Site] = "heads"
    needs: ClassVar[Capability] = Capability.EDIT_HEADS

    layer: int
    heads: tuple[int, ...]
    at: Places = (ALL,)

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        owner = type(self).__name__
        check_layer(model, self.layer, owner)
        check_heads(model, self.heads, owner)
        check_places(self.at, "at", owner)

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return (self.layer % model.n_layers,)


@dataclass(frozen=True, eq=False)
class ScaleHeads(HeadEdit):
    """Multiply heads' outputs by a factor: 0 silences them, 1 is exactly the unedited model, above 1 amplifies.

    Attributes:
        factor: The factor.
    """

    factor: float = 0.0

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model; see ``HeadEdit.check``."""
        super().check(model)
        check_number(self.factor, "factor", "ScaleHeads", "0 silences the heads")


@dataclass(frozen=True, eq=False)
class ShiftHeads(HeadEdit):
    """Add vectors to heads' outputs, as inference-time intervention does (arXiv 2306.03341).

    Attributes:
        values: What is added to the output of each of the heads, ``(len(heads), head_dim)``.
        strength: The factor on it; 0 is exactly the unedited model.
    """

    values: Tensor | None = None
    strength: float = 1.0

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model; see ``HeadEdit.check``."""
        super().check(model)
        shape = (len(self.heads), model.head_dims[self.layer])
        check_tensor(self.values, shape, "values", "ShiftHeads", model, "read heads with Read(heads=...)")
        check_number(self.strength, "strength", "ShiftHeads", "give a number")


@dataclass(frozen=True, eq=False)
class ReplaceHeads(HeadEdit):
    """Put given outputs in the place of heads' own: their mean over other prompts, or those of another prompt.

    Attributes:
        values: An output for each of the heads, ``(len(heads), head_dim)``, the same at all touched tokens.
    """

    values: Tensor | None = None

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model; see ``HeadEdit.check``."""
        super().check(model)
        shape = (len(self.heads), model.head_dims[self.layer])
        check_tensor(self.values, shape, "values", "ReplaceHeads", model, "read them with Read(heads=...)")
