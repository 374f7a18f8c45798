"""What lmms-eval calls visuals, by modality: pictures, sounds and clips in the forms that its tasks give."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from trimtab.errors import UsageError
from trimtab.items import Item
from trimtab.media import KINDS, Sound
from trimtab.modalities import SHOWN, Modality


def media_of(visuals: object) -> dict[Modality, list[Any]]:
    """Sort visuals into what a prompt shows by modality, each in its order.

    Args:
        visuals: One or several of a picture, a path to a picture, a sound or a clip, a sound as ``array`` and
            ``sampling_rate``, or an opened medium; None for nothing.

    Raises:
        UsageError: One is nothing that a model can be shown.
    """
    several = visuals if isinstance(visuals, list | tuple) else [visuals]
    found: dict[Modality, list[Any]] = {}
    for one in several:
        if one is not None:
            found.setdefault(_kind_of(one), []).append(one)
    return found


def visuals_of(media: Mapping[Modality, Any]) -> list[Any]:
    """Return opened media of a prompt as tasks of lmms-eval give them, so that other models understand them too."""
    return [_given(medium) for kind in SHOWN for medium in media.get(kind, ())]


def shown_by(item: Item) -> list[Any]:
    """Return what an item shows, as tasks of lmms-eval give it.

    Raises:
        DataError: A medium cannot be read.
    """
    return [_given(source.open()) for kind in SHOWN if (source := item.source_of(kind)) is not None]


def _kind_of(visual: object) -> Modality:
    if isinstance(visual, Image.Image):
        return "image"
    if isinstance(visual, Mapping) and {"array", "sampling_rate"} <= visual.keys():
        return "audio"
    if isinstance(visual, str | Path):
        named = (mimetypes.guess_type(str(visual))[0] or "").split("/")[0]
        if named in SHOWN:
            return named
    for known in KINDS.values():
        if isinstance(visual, known.medium):
            return known.kind
    raise UsageError(
        f"`doc_to_visual` must give pictures, sounds and clips, or paths to them; got {type(visual).__name__} "
        f"({visual!r:.60}); choose a task whose media trimtab opens."
    )


def _given(medium: Any) -> Any:
    return {"array": medium.samples, "sampling_rate": medium.rate} if isinstance(medium, Sound) else medium
