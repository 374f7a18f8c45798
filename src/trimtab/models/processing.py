"""One picture through an image processor, which is asked first what it would make of the picture's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

from PIL.Image import Image

from trimtab.errors import DataError, UsageError
from trimtab.media import MAX_PIXELS
from trimtab.models.hugging_face import Processor


def processed(
    image_processor: Processor, image: Image, beside: Sequence[Image] = (), **options: object
) -> Mapping[str, Any]:
    """Return what an image processor makes of one RGB picture.

    Args:
        image_processor: The image processor.
        image: The picture.
        beside: Others that the same prompt shows, where the processor treats one of several otherwise; their part of
            what is returned comes after the picture's.
        options: What else its call is given.

    Raises:
        DataError: The processor refuses its shape, or would scale it to a size that fits in no memory.
    """
    _ask(image_processor, *image.size)
    images = [[image, *beside]] if beside else [image]
    try:
        return image_processor(images=images, return_tensors="pt", **options)
    except ValueError as error:
        raise _refused(*image.size, error) from error


def limit_edge(image_processor: Processor, most: int | None, at_most_own: bool, unit: int, family: str) -> int:
    """Have a processor that scales a picture's long side down to ``longest_edge`` keep to a number of pixels.

    Args:
        image_processor: The image processor, changed in place.
        most: The limit; None leaves its own.
        at_most_own: Keep the processor's own limit where that is lower.
        unit: What the long side is a multiple of.
        family: The name of the model's family.

    Returns:
        The limit in force, that of a square.

    Raises:
        UsageError: The limit is below one unit.
    """
    own = int(image_processor.size["longest_edge"])
    if most is None or (at_most_own and own**2 <= most):
        return own**2
    edge = isqrt(most) // unit * unit
    if not edge:
        raise UsageError(
            f"`max_pixels` of load must be at least {unit**2} for {family}, the size of its smallest picture; got "
            f"{most}."
        )
    image_processor.size = {"longest_edge": edge}
    return edge**2


def _ask(image_processor: Processor, width: int, height: int) -> None:
    count = getattr(image_processor, "get_number_of_image_patches", None)
    if count is not None:
        try:
            count(height, width, {})
        except ValueError as error:
            raise _refused(width, height, error) from error
    short = _short_side(image_processor)
    if short is not None and short * short * max(width, height) / min(width, height) > MAX_PIXELS:
        raise DataError(
            f"an image of {width} x {height} pixels is too narrow for the model's image processor, which scales its "
            f"short side to {short} and so the whole beyond {MAX_PIXELS:,} pixels; crop or pad it."
        )


def _short_side(image_processor: Processor) -> int | None:
    """The length that the processor scales every picture's short side to, if it does so whatever the long one is."""
    size = getattr(image_processor, "size", None) or {}
    tiles = getattr(image_processor, "image_grid_pinpoints", None)  # squares of that side, and the whole as one
    fixed = tiles or not getattr(image_processor, "do_resize", True)
    if fixed or "longest_edge" in size or "shortest_edge" not in size:
        return None
    return size["shortest_edge"]


def _refused(width: int, height: int, error: ValueError) -> DataError:
    words = str(error).strip().rstrip(".") or type(error).__name__
    return DataError(
        f"an image of {width} x {height} pixels is refused by the model's image processor ({words}); crop or pad it."
    )
