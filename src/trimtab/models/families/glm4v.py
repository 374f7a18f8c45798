"""GLM-4.1V: patches with a grid and three-axis rotary positions, as Qwen's models have them."""

from trimtab.modalities import Modality
from trimtab.models.families.qwen_vl import QwenVL
from trimtab.models.family import register
from trimtab.models.hugging_face import HuggingFaceModel


class Glm4v(QwenVL):
    """Parts of ``Glm4vForConditionalGeneration``."""

    name = "glm4v"
    checkpoints = ("zai-org/GLM-4.1V-9B-Thinking",)
    processors = {"image": "Glm4vImageProcessor"}
    optional = ()
    not_shown = {"video": "a clip's positions have the token of pictures, and tokens do not say which it is"}
    refuses = {"decompose": "a norm stands between its heads and the residual stream"}

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """That of a picture, and nothing else."""
        return {"image": hf.config.image_token_id}


register(Glm4v())
