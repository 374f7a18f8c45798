"""Clips whose frames are all shown, each scaled to one size: as pictures in small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from trimtab.errors import UnsupportedModelError
from trimtab.media import Clip
from trimtab.models.clips import FILE
from trimtab.models.hugging_face import Processor

AS_PICTURES = ("image_mean", "image_std", "rescale_factor", "resample", "size")
"""Settings that are those of pictures where a checkpoint says none for clips."""


class FrameProcessor:
    """Scales every frame of a clip to one size, as transformers' own processor does by torchvision; here PIL does it.

    Attributes:
        settings: What is set, as a checkpoint has it.
    """

    def __init__(self, pictures: Processor, settings: Mapping[str, Any]) -> None:
        """Build it.

        Args:
            pictures: The image processor of the model's pictures.
            settings: What ``video_preprocessor_config.json`` says, or what it would.

        Raises:
            UnsupportedModelError: The settings leave out frames by a rule.
        """
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

        if settings.get("do_sample_frames"):
            raise UnsupportedModelError(
                f"`do_sample_frames` of {FILE} must be false, so that every frame of a clip is shown; got true; "
                "correct it, and give clips of as many frames as are to be shown."
            )
        own = {name: settings.get(name, getattr(pictures, name)) for name in AS_PICTURES}
        own["size"] = {name: int(own["size"][name]) for name in ("height", "width")}
        self.settings = {**settings, **own}
        self._scale = SiglipImageProcessorPil(**own)

    def __call__(self, clip: Clip) -> Tensor:
        """Return a clip's frames, ``(1, frames, channels, height, width)``, float32."""
        return self._scale(images=list(clip.frames), return_tensors="pt")["pixel_values"][None]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the settings as checkpoints have them."""
        (Path(folder) / FILE).write_text(json.dumps(self.settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
