"""Qwen3-VL with experts: which of a layer's maps a token takes is chosen token by token, so batches change nothing."""

from trimtab.models.families.qwen3_vl import Qwen3VL
from trimtab.models.family import register


class Qwen3VLMoe(Qwen3VL):
    """Parts of ``Qwen3VLMoeForConditionalGeneration``."""

    name = "qwen3_vl_moe"
    checkpoints = ("Qwen/Qwen3-VL-30B-A3B-Instruct",)


register(Qwen3VLMoe())
