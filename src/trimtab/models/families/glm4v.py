"""GLM-4.1V: patches with a grid and three-axis rotary positions, as Qwen's models have them."""

from trimtab.models.families.qwen_vl import QwenVL
from trimtab.models.family import register


class Glm4v(QwenVL):
    """Parts of ``Glm4vForConditionalGeneration``."""

    name = "glm4v"
    checkpoints = ("zai-org/GLM-4.1V-9B-Thinking",)
    processors = {"image": "Glm4vImageProcessor"}


register(Glm4v())
