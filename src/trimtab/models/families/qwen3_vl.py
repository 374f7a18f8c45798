"""Qwen3-VL: features of several blocks of the vision tower, which enter after the first layers of the decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trimtab.models.families.qwen_vl import TimedClips
from trimtab.models.family import register
from trimtab.models.hugging_face import HuggingFaceModel, TowerOutput


class Qwen3VL(TimedClips):
    """Parts of ``Qwen3VLForConditionalGeneration``."""

    name = "qwen3_vl"
    checkpoints = ("Qwen/Qwen3-VL-2B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-8B-Instruct")

    def streams(self, hf: HuggingFaceModel) -> int:
        """One for each block of the tower whose features are taken."""
        return len(hf.config.vision_config.deepstack_visual_indexes)

    def features(self, output: TowerOutput) -> list[Tensor]:
        """A picture's embedding, and then what is added after each of the first layers."""
        levels = [output.pooler_output, *output.deepstack_features]
        return [torch.stack(own, dim=1) for own in zip(*levels, strict=True)]

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        """Where pictures are, and what is added there after each of the first layers."""
        if "streams" not in extras:
            return {}
        shown = extras["shown"]
        return {"visual_pos_masks": shown, "deepstack_visual_embeds": list(extras["streams"][shown].unbind(1))}


register(Qwen3VL())
