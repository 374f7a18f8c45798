"""Qwen3.5: most layers carry a state from token to token in place of keys and values; a norm of 1 + weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from trimtab.models.families.qwen_vl import TimedClips
from trimtab.models.family import register
from trimtab.models.hugging_face import HuggingFaceModel

if TYPE_CHECKING:
    from transformers import DynamicCache, PretrainedConfig


class Qwen35(TimedClips):
    """Parts of ``Qwen3_5ForConditionalGeneration``."""

    name = "qwen3_5"
    checkpoints = ("Qwen/Qwen3.5-9B", "Qwen/Qwen3.5-27B")
    norm = "rms_plus_one"

    def cache(self, hf: HuggingFaceModel) -> DynamicCache:
        """A cache with a place for the states of layers that carry one."""
        from transformers import DynamicCache

        return DynamicCache(config=cast("PretrainedConfig", hf.config))


class Qwen35Moe(Qwen35):
    """Parts of ``Qwen3_5MoeForConditionalGeneration``: the same with experts, chosen token by token."""

    name = "qwen3_5_moe"
    checkpoints = ("Qwen/Qwen3.5-35B-A3B",)


register(Qwen35())
register(Qwen35Moe())
