"""Clips as Qwen's towers take them: some of the frames, each scaled and cut to patches by an image processor.

transformers' own processors of clips need torchvision. What they compute of a frame is what the image processor beside
them computes, so that one is asked; they scale frames by torchvision and we by PIL, as with pictures.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from trimtab.errors import DataError
from trimtab.media import Clip
from trimtab.models.hugging_face import Processor

logger = logging.getLogger(__name__)

AS_PICTURES = ("patch_size", "merge_size", "temporal_patch_size", "image_mean", "image_std", "rescale_factor", "size")
"""Settings that are those of pictures where a checkpoint says none for clips."""
SETTINGS = {"fps": 2.0, "min_frames": 4, "max_frames": 768}
"""How many frames are taken where a checkpoint does not say it, as transformers has it."""
FILE = "video_preprocessor_config.json"


@dataclass(frozen=True, eq=False)
class ClipPatches:
    """A clip cut to patches.

    Attributes:
        pixels: ``(patches, values)``, float32: one time after the other, in the order of the tower.
        grid: Times, rows and columns of patches.
        seconds: When each frame that was taken stands, in seconds; the clip's other frames are not shown.
        step: Seconds between the grid's times.
    """

    pixels: Tensor
    grid: tuple[int, int, int]
    seconds: tuple[float, ...]
    step: float


class ClipProcessor:
    """Takes frames of a clip, scales them and cuts them to patches, two frames deep.

    A clip of at most ``fps`` frames a second, or of at most ``min_frames``, is taken whole, up to ``max_frames``; of
    others as many frames are taken as the clip's seconds need, within the two.

    Attributes:
        pictures: The image processor of the model's pictures. A frame has at most as many pixels as a picture may have.
        frames: An image processor with the settings for clips.
        settings: These settings, as the checkpoint has them.
        fps: Frames a second.
        min_frames: Least frames that are taken of a clip that has as many.
        max_frames: Most frames that are taken.
    """

    def __init__(self, pictures: Processor, settings: Mapping[str, Any]) -> None:
        """Build it.

        Args:
            pictures: The image processor of the model's pictures.
            settings: What ``video_preprocessor_config.json`` says, or what it would.
        """
        self.pictures, self.settings = pictures, dict(settings)
        own = {name: getattr(pictures, name) for name in AS_PICTURES}
        own |= {name: value for name, value in settings.items() if name in own or name in ("min_pixels", "max_pixels")}
        own["size"] = _edges(own["size"])
        self.frames = type(pictures)(**own)
        said = {**SETTINGS, **{name: settings[name] for name in SETTINGS if settings.get(name)}}
        self.fps, self.min_frames, self.max_frames = said["fps"], int(said["min_frames"]), int(said["max_frames"])

    @property
    def merge_size(self) -> int:
        """Rows, and columns, of patches that are one position."""
        return self.frames.merge_size

    @property
    def depth(self) -> int:
        """Frames that a patch goes through."""
        return self.frames.temporal_patch_size

    @property
    def unit(self) -> int:
        """What a frame's width and height are multiples of."""
        return self.frames.patch_size * self.frames.merge_size

    def taken(self, count: int, seconds: float) -> list[int]:
        """Return which of a clip's frames are taken, from 0, in order."""
        needed = count / (count / seconds) * self.fps  # as transformers, which knows frames a second, computes it
        if count <= min(self.max_frames, max(self.min_frames, needed * (1 + 1e-9))):
            return list(range(count))
        return self.sampled(count, max(needed, self.min_frames))

    def sampled(self, count: int, needed: float) -> list[int]:
        """Return frames of a clip of ``count``, about as many as are needed, and at most ``max_frames``."""
        raise NotImplementedError

    def scaled(self, count: int, width: int, height: int) -> tuple[int, int]:
        """Return height and width that ``count`` frames are scaled to.

        Raises:
            ValueError: The frames are too narrow.
        """
        raise NotImplementedError

    def grid(self, count: int, width: int, height: int) -> tuple[int, int, int]:
        """Return times, rows and columns of patches of ``count`` frames; no pixel is needed.

        Raises:
            DataError: The frames are too narrow.
        """
        try:
            high, wide = self.scaled(count, width, height)
        except ValueError as error:
            raise DataError(
                f"a clip of {width} x {height} pixels is refused by the model's processor "
                f"({str(error).rstrip('.')}); crop or pad its frames."
            ) from error
        return -(-count // self.depth), high // self.frames.patch_size, wide // self.frames.patch_size

    def __call__(self, clip: Clip) -> ClipPatches:
        """Cut a clip to patches.

        Raises:
            DataError: Its frames are too narrow.
        """
        chosen = self.taken(len(clip), clip.seconds)
        if len(chosen) < len(clip):
            logger.warning(
                "Of a clip of %d frames in %.2f s %d frames are shown (%g a second, at most %d).",
                *(len(clip), clip.seconds, len(chosen), self.fps, self.max_frames),
            )
        grid = self.grid(len(chosen), *clip.size)
        size = grid[2] * self.frames.patch_size, grid[1] * self.frames.patch_size
        cut = [self._patches(clip.frame(number).resize(size, self.frames.resample)) for number in chosen]
        cut += cut[-1:] * (-len(cut) % self.depth)
        # (times, depth, patches, channels, pixels): the depth goes inside the channels, as the tower has it.
        pixels = (
            torch.stack(cut).unflatten(0, (-1, self.depth)).permute(0, 2, 3, 1, 4).reshape(grid[0] * len(cut[0]), -1)
        )
        rate = len(clip) / clip.seconds
        step = self.depth / (len(chosen) / len(clip) * rate)
        return ClipPatches(pixels, grid, tuple(number / rate for number in chosen), step)

    def _patches(self, frame: Image) -> Tensor:
        """Return a scaled frame's patches, ``(patches, channels, pixels)``."""
        patches = self.frames(images=[frame], do_resize=False, return_tensors="pt")["pixel_values"]
        return patches.unflatten(1, (-1, self.depth, self.frames.patch_size**2))[:, :, 0].clone()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the settings as checkpoints have them."""
        kept = {**self.settings, **{name: getattr(self.frames, name) for name in AS_PICTURES}}
        kept |= {"size": _edges(self.frames.size), **{name: getattr(self, name) for name in SETTINGS}}
        kept = {name: value for name, value in kept.items() if name not in ("min_pixels", "max_pixels")}
        (Path(folder) / FILE).write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _edges(size: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(size[name]) for name in ("shortest_edge", "longest_edge") if size.get(name) is not None}


class FrameByFrame(ClipProcessor):
    """Clips of Qwen2-VL and Qwen2.5-VL: each frame is scaled as a picture is."""

    BUDGET = int(128_000 * 0.9)
    """Positions that all frames share, two frames deep: nine tenths of what the models were made for, by their rule."""

    def sampled(self, count: int, needed: float) -> list[int]:
        """A multiple of a patch's depth, from the first frame on, with equal steps."""
        number = max(int(min(needed, self.max_frames, count)) // self.depth * self.depth, self.depth)
        return torch.arange(0, count, count / number).int().tolist()

    def scaled(self, count: int, width: int, height: int) -> tuple[int, int]:
        """Within the pixels of a picture; where frames are very many, also within their share of a budget."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        least = int(self.frames.size["shortest_edge"])
        most = min(int(self.frames.size["longest_edge"]), int(self.pictures.size["longest_edge"]))
        if self.settings.get("cap_pixels_per_frame") is not False:
            most = max(min(most, self.BUDGET * self.unit**2 * self.depth // count), int(least * 1.05))
        return smart_resize(height, width, factor=self.unit, min_pixels=min(least, most), max_pixels=most)


class AllFrames(ClipProcessor):
    """Clips of Qwen3-VL: limits are those of the pixels of all frames together."""

    def sampled(self, count: int, needed: float) -> list[int]:
        """Frames from the first to the last, with about equal steps."""
        number = min(int(needed), self.max_frames, count)
        return np.linspace(0, count - 1, number).round().astype(int).tolist()

    def scaled(self, count: int, width: int, height: int) -> tuple[int, int]:
        """Within the pixels of all frames; no frame beyond those of a picture."""
        from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

        count = max(count, self.depth)
        least, most = int(self.frames.size["shortest_edge"]), int(self.frames.size["longest_edge"])
        if self.settings.get("cap_pixels_per_frame"):
            share = min(int(self.settings.get("max_video_tokens", 768)) * self.unit**2, most // count)
            most = max(share, int(least * 1.05)) * count
        most = min(most, int(self.pictures.size["longest_edge"]) * count)
        least = min(least, most)
        return smart_resize(
            count, height, width, temporal_factor=self.depth, factor=self.unit, min_pixels=least, max_pixels=most
        )
