"""Gemma 4: positions by a picture's shape; layers of several widths, with inputs and keys that are not their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from trimtab.errors import UsageError
from trimtab.models.families.gemma3 import Gemma3
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import Configuration, HuggingFaceModel, Processor
from trimtab.models.masks import MaskRule
from trimtab.models.processing import processed

BEGINS, ENDS = "<|image>", "<image|>"
BUDGETS = (70, 140, 280, 560, 1120)
"""Most positions of a picture that its image processor can be set to."""


class Gemma4(Gemma3):
    """Parts and traps of ``Gemma4ForConditionalGeneration``, of any size; pictures alone are shown."""

    name = "gemma4"
    checkpoints = ("google/gemma-4-E2B-it", "google/gemma-4-26B-A4B-it")
    processors = {"image": "Gemma4ImageProcessor"}
    marks = {}
    norm = "rms"
    mask = "media_in_windows"
    wants_ids = True
    refuses = {
        "contribution": "its layers' heads differ in width, and some layers share keys",
        "decompose": "norms stand behind its heads, and each layer scales all that went before",
    }
    types_name = "mm_token_type_ids"

    def attending(self, config: Configuration, chosen: str) -> str | dict[str, str]:
        """Its tower for sounds, where it has one, attends by ``eager`` alone; no sounds are shown."""
        parts = ("", "text_config", "vision_config")
        return chosen if config.audio_config is None else {**dict.fromkeys(parts, chosen), "audio_config": "eager"}

    def mask_rule(self, hf: HuggingFaceModel) -> MaskRule:
        """Pictures see themselves in windows if the configuration says so: in the large models."""
        said = hf.config.get_text_config().use_bidirectional_attention
        return self.mask if said == "vision" else "causal"

    def head_dims(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Heads of layers that see everything are wider."""
        return tuple(layer.head_dim for layer in self._by_layer(hf))

    def kv_heads(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Those of the configuration; the last layers may have none of their own."""
        sharing = hf.config.get_text_config().kv_sharing_modes
        pairs = zip(self._by_layer(hf), sharing, strict=True)
        return tuple(0 if mode == "reuse" else layer.num_key_value_heads for layer, mode in pairs)

    def logit_cap(self, hf: HuggingFaceModel) -> float | None:
        """What the configuration says."""
        return hf.config.get_text_config().final_logit_softcapping

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int:
        """Choose the largest budget of positions within the limit; it is spent whatever the picture's size."""
        unit = (image_processor.patch_size * image_processor.pooling_kernel_size) ** 2
        own = image_processor.max_soft_tokens * unit
        if most is None or (at_most_own and own <= most):
            return own
        fitting = [budget for budget in BUDGETS if budget * unit <= most]
        if not fitting:
            raise UsageError(
                f"`max_pixels` of load must be at least {BUDGETS[0] * unit} for {self.name}, its smallest picture; got "
                f"{most}."
            )
        image_processor.max_soft_tokens = fitting[-1]
        return fitting[-1] * unit

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """As many as fit into the budget in the picture's shape."""
        from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

        patch, side = image_processor.patch_size, image_processor.pooling_kernel_size
        most = image_processor.max_soft_tokens * side**2
        rows, columns = get_aspect_ratio_preserving_size(height, width, patch, most, side)
        return rows * columns // (patch * side) ** 2

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Patches of a picture and where they are, filled up to the budget."""
        found = processed(processor, picture)
        tensors = {name: found[name] for name in ("pixel_values", "image_position_ids")}
        return MediaInput("image", tensors, int(found["num_soft_tokens_per_image"][0]), key)

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """All positions between the two tokens of a picture."""
        return f"{BEGINS}{placeholder * medium.n_tokens}{ENDS}"

    def looked_up(self, hf: HuggingFaceModel, ids: Tensor) -> Tensor:
        """That of padding for all that stands for media, also where it is generated."""
        config = hf.config
        for token in (config.image_token_id, config.video_token_id, config.audio_token_id):
            ids = ids if token is None else torch.where(ids == token, config.text_config.pad_token_id, ids)
        return ids

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        """What each token adds in each layer."""
        if not hf.config.get_text_config().hidden_size_per_layer_input:
            return {}
        return {"per_layer_inputs": hf.model.language_model.get_per_layer_inputs(self.looked_up(hf, extras["ids"]))}

    def guard(self, hf: HuggingFaceModel) -> None:
        """Supply types of tokens, and have all layers compute all tokens of a prompt.

        In ``generate`` transformers computes the last token alone in layers that have no keys of their own, so that
        edits of earlier ones would be lost.
        """
        super().guard(hf)
        hf.model.language_model._maybe_slice_kv_shared_inputs = lambda *inputs, **_: inputs[:4]

    def _by_layer(self, hf: HuggingFaceModel) -> list[Any]:
        """The configuration of each layer."""
        config = hf.config.get_text_config()
        return [config.per_layer_config[layer] for layer in range(config.num_hidden_layers)]


register(Gemma4())
