"""Items in chunks, each the work of one step."""

from __future__ import annotations


def chunks_of(stop: int, size: int, start: int = 0) -> list[slice]:
    """Cut places into chunks, as slices.

    Steps are listed for the items that were chosen. Where a model takes fewer of them, the last slices are short or
    empty.

    Args:
        stop: The place behind the last.
        size: Places of a chunk.
        start: The first place.
    """
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]
