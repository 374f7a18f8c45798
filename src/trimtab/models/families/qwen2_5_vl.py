"""Qwen2.5-VL: windowed vision tower, grouped-query attention, three-axis rotary positions."""

from trimtab.models.families.qwen_vl import MergedByMlp
from trimtab.models.family import register


class Qwen25VL(MergedByMlp):
    """Parts of ``Qwen2_5_VLForConditionalGeneration``."""

    name = "qwen2_5_vl"


register(Qwen25VL())
