"""Qwen2-VL: as Qwen2.5-VL, with a vision tower that always attends to the whole picture."""

from trimtab.models.families.qwen_vl import MergedByMlp
from trimtab.models.family import register


class Qwen2VL(MergedByMlp):
    """Parts of ``Qwen2VLForConditionalGeneration``."""

    name = "qwen2_vl"
    checkpoints = ("Qwen/Qwen2-VL-2B-Instruct", "Qwen/Qwen2-VL-7B-Instruct")


register(Qwen2VL())
