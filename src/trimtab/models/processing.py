"""One picture through an image processor, which is asked first what it would make of the picture's size."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from trimtab.errors import DataError
from trimtab.media import MAX_PIXELS


def processed(image_processor: Any, image: Image) -> Any:
    """Return what an image processor makes of one RGB picture.

    Raises:
        DataError: The processor refuses its shape, or would scale it to a size that fits in no memory.
    """
    _ask(image_processor, *image.size)
    try:
        return image_processor(images=[image], return_tensors="pt")
    except ValueError as error:
        raise _refused(*image.size, error) from error


def _ask(image_processor: Any, width: int, height: int) -> None:
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


def _short_side(image_processor: Any) -> int | None:
    """The length that the processor scales every picture's short side to, if it does so whatever the long one is."""
    size = getattr(image_processor, "size", None) or {}
    if not getattr(image_processor, "do_resize", True) or "longest_edge" in size or "shortest_edge" not in size:
        return None
    return size["shortest_edge"]


def _refused(width: int, height: int, error: ValueError) -> DataError:
    words = str(error).strip().rstrip(".") or type(error).__name__
    return DataError(
        f"an image of {width} x {height} pixels is refused by the model's image processor ({words}); crop or pad it."
    )
