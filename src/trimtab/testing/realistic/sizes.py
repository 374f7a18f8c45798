"""Sizes of checkpoints: those released, with few layers, and small ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from trimtab.errors import UsageError


@dataclass(frozen=True)
class Sizes:
    """Sizes of a checkpoint; every one of them can be made smaller.

    Attributes:
        layers: Decoder blocks; released ones have 28 to 36, here 2.
        hidden: Width of the residual stream.
        intermediate: Width of the decoder's MLPs.
        heads: Query heads of a layer.
        kv_heads: Key and value heads of a layer.
        head: Width of a head where it is not ``hidden / heads``; 0 where it is.
        vocabulary: Rows of the embedding table.
        vision_layers: Blocks of the vision (or other) tower; released ones have 24 or 32, here 2.
        vision_hidden: Width of the tower.
        vision_intermediate: Width of its MLPs.
        vision_heads: Its heads.
        image: Pixels a side that the tower sees, where it does not take pictures as they are.
    """

    layers: int = 2
    hidden: int = 3584
    intermediate: int = 18944
    heads: int = 28
    kv_heads: int = 4
    head: int = 0
    vocabulary: int = 152064
    vision_layers: int = 2
    vision_hidden: int = 1280
    vision_intermediate: int = 3420
    vision_heads: int = 16
    image: int = 336

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.head or self.hidden // self.heads

    def changed(self, changes: Mapping[str, int]) -> Sizes:
        """Return other sizes; where the stream or its heads change, heads are cut from it unless ``head`` is given.

        Raises:
            UsageError: There is no such size, it is below 1, or the widths cannot be cut into heads.
        """
        known = [size.name for size in fields(self)]
        for name, value in changes.items():
            if name not in known:
                raise UsageError(
                    f"`sizes` of realistic_checkpoint must be among {', '.join(known)}; got {name!r}; leave it out."
                )
            if not isinstance(value, int) or value < 1:
                raise UsageError(f"`{name}` of realistic_checkpoint must be a whole number above 0; got {value!r}.")
        cut_anew = {"head": 0} if {"hidden", "heads"} & set(changes) else {}
        found = replace(self, **{**cut_anew, **changes})
        for width, heads in (("hidden", "heads"), ("heads", "kv_heads"), ("vision_hidden", "vision_heads")):
            if (width != "hidden" or not found.head) and getattr(found, width) % getattr(found, heads):
                raise UsageError(
                    f"`{width}` of realistic_checkpoint must be a multiple of `{heads}`; got {getattr(found, width)} "
                    f"and {getattr(found, heads)}; give both."
                )
        if found.head_width % 16:
            raise UsageError(
                "`hidden` of realistic_checkpoint must give each head a width that is a multiple of 16, so that rotary "
                f"positions can be cut into three axes; got {found.head_width}; give `hidden` and `heads`."
            )
        return found


SMALL: dict[str, int] = {
    "hidden": 128,
    "intermediate": 256,
    "heads": 4,
    "kv_heads": 2,
    "vision_hidden": 64,
    "vision_intermediate": 128,
    "vision_heads": 4,
    "image": 112,
    "vocabulary": 4096,
}
"""Sizes at which every verb takes seconds: ``realistic_checkpoint(folder, sizes=SMALL)``."""
