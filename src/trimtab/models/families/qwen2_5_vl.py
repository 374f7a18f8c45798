"""Qwen2.5-VL: windowed vision tower, grouped-query attention, rotary positions of three axes that count seconds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.models.families.qwen_vl import MergedByMlp
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel


class Qwen25VL(MergedByMlp):
    """Parts of ``Qwen2_5_VLForConditionalGeneration``."""

    name = "qwen2_5_vl"
    checkpoints = ("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct")

    def rope_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Beside grids, how many seconds lie between a clip's times."""
        given, steps = super().rope_inputs(hf, ids, media), [m.step for m in media if m.kind == "video"]
        return {**given, "second_per_grid_ts": torch.tensor(steps, device=ids.device)} if steps else given


register(Qwen25VL())
