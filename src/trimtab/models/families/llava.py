"""LLaVA-1.5: CLIP vision tower, two-layer projector, Llama text model."""

from __future__ import annotations

from PIL import Image
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError
from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.patches import inputs_of
from trimtab.models.processing import processed


class Llava(Family):
    """Parts of ``LlavaForConditionalGeneration``."""

    name = "llava"
    checkpoints = ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-13b-hf")
    processors = {"image": "CLIPImageProcessor"}

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """The same for every picture."""
        return self.show_image(hf, image_processor, Image.new("RGB", (64, 64)), "").n_tokens

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image.Image, key: str) -> MediaInput:
        """Normalised pixels; a position for each feature of the tower, without the first where it is left out."""
        pixel_values = processed(processor, picture)["pixel_values"]
        config = hf.config
        height, width = pixel_values.shape[-2:]
        patch = config.vision_config.patch_size
        features = (height // patch) * (width // patch) + has_class_token(hf)
        dropped = config.vision_feature_select_strategy == "default"
        return MediaInput("image", {"pixel_values": pixel_values}, features - dropped, key)

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower

    def projector(self, hf: HuggingFaceModel) -> nn.Module:
        """The two-layer projector."""
        return hf.model.multi_modal_projector

    def patch_attention(self, hf: HuggingFaceModel, media: MediaInput) -> Tensor:
        """The class token's attention to the patches, at the layer whose output the projector takes.

        What CLIP says of the whole picture is read at the class token, so its attention is the tower's map of the
        picture. Where the class token is kept as a feature, its attention to itself comes first.
        """
        model, config = hf.model, hf.config
        if not has_class_token(hf):
            raise UnsupportedMethodError(
                f"`image_counterfactual` must have a map of the picture's attention; the vision tower of this "
                f"{self.name} has no class token to read it at; use a method that leaves the picture as it is."
            )
        layers = getattr(model.vision_tower, "vision_model", model.vision_tower).encoder.layers
        chosen = config.vision_feature_layer
        # The tower's hidden states begin with its embeddings, so layer k makes the one numbered k + 1.
        attention = [layers[0], *layers][chosen if isinstance(chosen, int) else chosen[-1]].self_attn
        states, _ = inputs_of(attention, lambda: self.embed_media(hf, [media]))
        query, keys = (
            projection(part).unflatten(-1, (-1, attention.head_dim)).transpose(0, 1)
            for projection, part in ((attention.q_proj, states[0, :1]), (attention.k_proj, states[0]))
        )
        scores = query @ keys.transpose(-1, -2) * attention.head_dim**-0.5
        first = 1 if config.vision_feature_select_strategy == "default" else 0
        return scores.float().softmax(-1)[:, 0, first:]


def has_class_token(hf: HuggingFaceModel) -> bool:
    """Whether the tower's features begin with one of the whole picture, as CLIP's do and SigLIP's do not."""
    return any(name.endswith("class_embedding") for name, _ in hf.model.vision_tower.named_parameters())


register(Llava())
