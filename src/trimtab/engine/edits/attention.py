"""Cut attention edges: some tokens no longer see some others, in some layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_heads, check_layers
from trimtab.engine.edits.edit import Edit, Site
from trimtab.engine.edits.places import GENERATED, Places, check_places, describe_places, resolve
from trimtab.engine.encoded import Encoded
from trimtab.errors import NothingEditedError, UsageError


@dataclass(frozen=True, eq=False)
class BlockAttention(Edit):
    """Attention knockout (Geva et al., arXiv 2304.14767): tokens at ``target`` do not attend to those at ``source``.

    The softmax goes over the keys that are left. The edge from a token to itself is never cut, so no token is left
    without anything to attend to, and what the layer's own mask hides stays hidden. Rotary positions do not change.

    Attributes:
        source: The tokens not to be seen: names of places and token indices of the prompt.
        target: The tokens that do not see them; ``generated`` or ``all`` includes generated tokens.
        layers: Decoder blocks, 0-based; negative counts from the end.
        heads: Query heads whose edges are cut; None cuts those of all.
    """

    site: ClassVar[Site] = "attention"
    needs: ClassVar[Capability] = Capability.EDIT_MASK

    source: Places
    target: Places
    layers: tuple[int, ...]
    heads: tuple[int, ...] | None = None

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        check_places(self.source, "source", "BlockAttention")
        check_places(self.target, "target", "BlockAttention")
        if GENERATED in self.source:
            raise UsageError(
                f"`source` of BlockAttention must be tokens of the prompt; got {self.source}; name spans of the prompt."
            )
        check_layers(model, self.layers, "BlockAttention")
        if self.heads is not None:
            check_heads(model, self.heads, "BlockAttention")

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"BlockAttention({describe_places(self.source)} to {describe_places(self.target)})"

    @property
    def places(self) -> Places:
        """Its sources and targets."""
        return (*self.source, *self.target)

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return tuple(sorted({layer % model.n_layers for layer in self.layers}))

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index that loses an edge; earlier tokens may be reused from a cache.

        Raises:
            NothingEditedError: No target comes after a source, so there is no edge to cut.
            UsageError: A target comes before a source, and they see each other nevertheless.
        """
        source = resolve(self.source, prompt, "source", "BlockAttention")
        target = resolve(self.target, prompt, "target", "BlockAttention")
        _check_blocks(prompt, source.prompt, target.prompt)
        after = torch.arange(len(prompt), device=target.prompt.device) > source.first
        loses = (target.prompt & after).nonzero()
        if len(loses):
            return int(loses[0])
        if not target.generated or source.first == len(prompt):
            raise NothingEditedError(
                f"`target` of BlockAttention must hold tokens after the first of `source`, since tokens only see "
                f"earlier ones; got source {self.source} and target {self.target}; swap them?"
            )
        return len(prompt)


def _check_blocks(prompt: Encoded, source: Tensor, target: Tensor) -> None:
    """Refuse edges both ways, of which only those to earlier tokens would be cut.

    Raises:
        UsageError: A target comes before a source in one block.
    """
    if prompt.blocks is None:
        return
    for block in prompt.blocks[source & (prompt.blocks >= 0)].unique():
        own = prompt.blocks == block
        sources, targets = (source & own).nonzero(), (target & own).nonzero()
        if len(targets) and sources[-1] > targets[0]:
            raise UsageError(
                "`target` of BlockAttention must come after `source` among tokens that see each other whatever their "
                f"order, as some do here; token {int(targets[0])} comes before {int(sources[-1])}; name others."
            )
