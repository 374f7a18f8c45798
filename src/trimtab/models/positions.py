"""How many tokens a decoder was made for."""

from __future__ import annotations

from typing import Any

PLAIN = (None, "default", "mrope")
"""Kinds of rotary positions that reach as far as ``max_position_embeddings`` says."""


def position_limit(text_config: object) -> int | None:
    """Return how many tokens a prompt and its answer may have together; None if the configuration sets no limit.

    Positions that are scaled (``yarn``, ``linear``, ``dynamic``, ...) reach as far as the scaling says, where that is
    further: some checkpoints give the length before scaling, others the one after it.

    Args:
        text_config: The decoder's configuration; scaling stands in ``rope_parameters`` or, as in older files, in
            ``rope_scaling``, for all layers or by kind of layer.
    """
    most = getattr(text_config, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    rope = getattr(text_config, "rope_parameters", None) or getattr(text_config, "rope_scaling", None) or {}
    by_kind = [value for value in rope.values() if isinstance(value, dict)]
    return min(_scaled(most, kind, text_config) for kind in by_kind or [rope])


def _scaled(most: int, rope: dict[str, Any], text_config: object) -> int:
    factor = rope.get("factor")
    if rope.get("rope_type", rope.get("type")) in PLAIN or not isinstance(factor, int | float):
        return most
    before = rope.get("original_max_position_embeddings")
    before = before or getattr(text_config, "original_max_position_embeddings", None) or most
    return max(most, int(factor * before))
