"""What released checkpoints have in common, and where they differ: sizes, types, tokens."""

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
        vocabulary: Rows of the embedding table.
        vision_layers: Blocks of the vision tower; released ones have 24 or 32, here 2.
        vision_hidden: Width of the vision tower.
        vision_intermediate: Width of its MLPs.
        vision_heads: Its heads.
        image: Pixels a side that the LLaVA tower sees; Qwen2.5-VL takes pictures as they are.
    """

    layers: int = 2
    hidden: int = 3584
    intermediate: int = 18944
    heads: int = 28
    kv_heads: int = 4
    vocabulary: int = 152064
    vision_layers: int = 2
    vision_hidden: int = 1280
    vision_intermediate: int = 3420
    vision_heads: int = 16
    image: int = 336

    def changed(self, changes: Mapping[str, int]) -> Sizes:
        """Return other sizes.

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
        found = replace(self, **changes)
        for width, heads in (("hidden", "heads"), ("heads", "kv_heads"), ("vision_hidden", "vision_heads")):
            if getattr(found, width) % getattr(found, heads):
                raise UsageError(
                    f"`{width}` of realistic_checkpoint must be a multiple of `{heads}`; got {getattr(found, width)} "
                    f"and {getattr(found, heads)}; give both."
                )
        if found.hidden // found.heads % 16:
            raise UsageError(
                "`hidden` of realistic_checkpoint must give each head a width that is a multiple of 16, so that rotary "
                f"positions can be cut into three axes; got {found.hidden // found.heads}; give `hidden` and `heads`."
            )
        return found


@dataclass(frozen=True)
class Release:
    """One released checkpoint.

    Attributes:
        family: Its ``model_type``.
        sizes: Its sizes, but for the layers.
        dtype: The type its weights are published in.
        tied: Whether the unembedding is the embedding, and so not in the files.
        spare: Rows of the embedding table that are beyond the tokenizer's plain pieces: special tokens, and rows that
            only fill the table up.
    """

    family: str
    sizes: Sizes
    dtype: str
    tied: bool
    spare: int


RELEASES = {
    "qwen2.5-vl-7b": Release("qwen2_5_vl", Sizes(), "bfloat16", False, 152064 - 151643),
    "qwen2.5-vl-3b": Release(
        "qwen2_5_vl",
        Sizes(hidden=2048, intermediate=11008, heads=16, kv_heads=2, vocabulary=151936),
        "bfloat16",
        True,
        151936 - 151643,
    ),
    "llava-1.5-7b": Release(
        "llava",
        Sizes(
            hidden=4096,
            intermediate=11008,
            heads=32,
            kv_heads=32,
            vocabulary=32064,
            vision_hidden=1024,
            vision_intermediate=4096,
            vision_layers=3,
        ),
        "float16",
        False,
        64,
    ),
}
"""Checkpoints that can be built, by name."""

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
