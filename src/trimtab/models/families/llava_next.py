"""LLaVA-1.6: a picture in tiles, each row of them with an end, behind the whole picture."""

from __future__ import annotations

from typing import Any

from trimtab.models.families.anyres import AnyResolution
from trimtab.models.family import register
from trimtab.models.hugging_face import HuggingFaceModel


class LlavaNext(AnyResolution):
    """Parts of ``LlavaNextForConditionalGeneration``."""

    name = "llava_next"
    checkpoints = ("llava-hf/llava-v1.6-mistral-7b-hf", "llava-hf/llava-v1.6-vicuna-7b-hf")
    processors = {"image": "LlavaNextImageProcessor"}

    def packing(self, hf: HuggingFaceModel) -> dict[str, Any]:
        """How features were chosen, for a warning."""
        return {"vision_feature_select_strategy": hf.config.vision_feature_select_strategy}


register(LlavaNext())
