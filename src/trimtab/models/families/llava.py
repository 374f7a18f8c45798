"""LLaVA-1.5: CLIP vision tower, two-layer projector, Llama text model."""

from __future__ import annotations

from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError
from trimtab.models.family import Pixels, register, text_positions
from trimtab.models.offload import home
from trimtab.models.patches import inputs_of
from trimtab.models.processing import processed


class Llava:
    """Parts of ``LlavaForConditionalGeneration``."""

    name = "llava"
    image_processor = "CLIPImageProcessor"

    def decoder(self, hf: nn.Module) -> nn.Module:
        """The text decoder."""
        return cast(Any, hf).model.language_model

    def layers(self, hf: nn.Module) -> nn.ModuleList:
        """The decoder's blocks."""
        return cast(Any, hf).model.language_model.layers

    def head_outputs(self, layer: nn.Module) -> nn.Module:
        """The attention's output projection."""
        return cast(Any, layer).self_attn.o_proj

    def attention(self, layer: nn.Module) -> nn.Module:
        """The layer's self-attention."""
        return cast(Any, layer).self_attn

    def final_norm(self, hf: nn.Module) -> nn.Module:
        """The norm after the last block."""
        return cast(Any, hf).model.language_model.norm

    def image_token(self, hf: nn.Module) -> int:
        """Id of ``<image>``."""
        return cast(Any, hf).config.image_token_id

    def limit_pixels(self, image_processor: Any, most: int | None, at_most_own: bool = False) -> int | None:
        """None: every picture is scaled to one size."""
        return None

    def count_positions(self, hf: nn.Module, image_processor: Any, width: int, height: int) -> int:
        """The same for every picture."""
        return self.pixels(hf, image_processor, Image.new("RGB", (64, 64)), "").n_tokens

    def pixels(self, hf: nn.Module, image_processor: Any, image: Image.Image, key: str) -> Pixels:
        """Normalised pixels; a position for each feature of the tower, without the first where it is left out."""
        pixel_values = processed(image_processor, image)["pixel_values"]
        config = cast(Any, hf).config
        height, width = pixel_values.shape[-2:]
        patch = config.vision_config.patch_size
        features = (height // patch) * (width // patch) + has_class_token(hf)
        dropped = config.vision_feature_select_strategy == "default"
        return Pixels({"pixel_values": pixel_values}, features - dropped, key)

    def embed_images(self, hf: nn.Module, pixels: list[Pixels]) -> list[Tensor]:
        """Run the vision tower and the projector on all pictures at once."""
        model = cast(Any, hf).model
        device = home(model.vision_tower)
        dtype = next(model.vision_tower.parameters()).dtype
        batch = torch.cat([p.tensors["pixel_values"] for p in pixels]).to(device, dtype)
        return list(model.get_image_features(batch, return_dict=True).pooler_output)

    def projector(self, hf: nn.Module) -> nn.Module:
        """The two-layer projector."""
        return cast(Any, hf).model.multi_modal_projector

    def patch_attention(self, hf: nn.Module, pixels: Pixels) -> Tensor:
        """The class token's attention to the patches, at the layer whose output the projector takes.

        What CLIP says of the whole picture is read at the class token, so its attention is the tower's map of the
        picture. Where the class token is kept as a feature, its attention to itself comes first.
        """
        model, config = cast(Any, hf).model, cast(Any, hf).config
        if not has_class_token(hf):
            raise UnsupportedMethodError(
                f"`image_counterfactual` must have a map of the picture's attention; the vision tower of this "
                f"{self.name} has no class token to read it at; use a method that leaves the picture as it is."
            )
        layers = getattr(model.vision_tower, "vision_model", model.vision_tower).encoder.layers
        chosen = config.vision_feature_layer
        # The tower's hidden states begin with its embeddings, so layer k makes the one numbered k + 1.
        attention = [layers[0], *layers][chosen if isinstance(chosen, int) else chosen[-1]].self_attn
        states, _ = inputs_of(attention, lambda: self.embed_images(hf, [pixels]))
        query, keys = (
            projection(part).unflatten(-1, (-1, attention.head_dim)).transpose(0, 1)
            for projection, part in ((attention.q_proj, states[0, :1]), (attention.k_proj, states[0]))
        )
        scores = query @ keys.transpose(-1, -2) * attention.head_dim**-0.5
        first = 1 if config.vision_feature_select_strategy == "default" else 0
        return scores.float().softmax(-1)[:, 0, first:]

    def positions(self, hf: nn.Module, ids: Tensor, pixels: list[Pixels]) -> Tensor:
        """Plain positions: an image token counts like any other."""
        return text_positions(len(ids), ids.device)

    def native_inputs(self, hf: nn.Module, ids: Tensor, pixels: list[Pixels]) -> dict[str, Tensor]:
        """Inputs for the model's own ``forward``."""
        inputs = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids[None])}
        if pixels:
            inputs["pixel_values"] = torch.cat([p.tensors["pixel_values"] for p in pixels]).to(ids.device)
        return inputs

    def guard(self, hf: nn.Module) -> None:
        """LLaVA has no silent trap to close."""


def has_class_token(hf: nn.Module) -> bool:
    """Whether the tower's features begin with one of the whole picture, as CLIP's do and SigLIP's do not."""
    return any(name.endswith("class_embedding") for name, _ in cast(Any, hf).model.vision_tower.named_parameters())


register(Llava())
