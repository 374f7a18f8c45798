"""The family of the model with three modalities; a family from outside of ``trimtab.models``, registered like any."""

from __future__ import annotations

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.media import Sound
from trimtab.modalities import Modality
from trimtab.models import Family, HuggingFaceModel, MediaInput, Processor, register
from trimtab.testing.trio.modeling import FRAME, PATCH

SIDE = 2
"""Patches of a picture's side."""


class PatchProcessor:
    """Scales pictures to 2 x 2 patches with values from -1 to 1."""

    def __call__(self, picture: Image) -> dict[str, Tensor]:
        """Return ``pixel_values``, ``(1, patches, values)``."""
        pixels = np.asarray(picture.resize((SIDE * PATCH, SIDE * PATCH)), np.float32) / 127.5 - 1
        patches = pixels.reshape(SIDE, PATCH, SIDE, PATCH, 3).transpose(0, 2, 1, 3, 4)
        return {"pixel_values": torch.from_numpy(patches.reshape(1, SIDE**2, -1).copy())}


class FrameProcessor:
    """Cuts sounds into frames.

    Attributes:
        rate: Samples a second that sounds are brought to.
    """

    def __init__(self, rate: int = 64) -> None:
        self.rate = rate

    def __call__(self, sound: Sound) -> dict[str, Tensor]:
        """Return ``sound_frames``, ``(frames, samples)``, the last one filled up with silence; and their number."""
        samples = torch.from_numpy(np.array(sound.at_rate(self.rate).samples))
        frames = nn.functional.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        return {"sound_frames": frames, "sound_lengths": torch.tensor([len(frames)])}


class TinyTrio(Family):
    """Parts of ``TrioForConditionalGeneration``."""

    name = "tiny_trio"

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """Ids of ``<image>`` and ``<audio>``."""
        config = hf.config
        return {"image": config.image_token_id, "audio": config.audio_token_id}

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """The same for every picture."""
        return SIDE**2

    def show_image(self, hf: HuggingFaceModel, processor: PatchProcessor, picture: Image, key: str) -> MediaInput:
        """Patches, each of which takes a position."""
        return MediaInput("image", processor(picture), SIDE**2, key)

    def show_audio(self, hf: HuggingFaceModel, processor: FrameProcessor, sound: Sound, key: str) -> MediaInput:
        """Frames, each of which takes a position."""
        tensors = processor(sound)
        return MediaInput("audio", tensors, len(tensors["sound_frames"]), key)

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The projector of either."""
        model = hf.model
        return model.picture_projector if kind == "image" else model.sound_projector

    def projector(self, hf: HuggingFaceModel) -> nn.Module:
        """The pictures' projector."""
        return hf.model.picture_projector


register(TinyTrio())
