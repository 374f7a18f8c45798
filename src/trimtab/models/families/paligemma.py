"""PaliGemma 1 and 2: pictures, then a prompt all of whose tokens see each other; no chat template of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import Configuration, HuggingFaceModel, Processor
from trimtab.models.processing import processed

PROMPT = """
{%- for message in messages %}{% if message.content is not string %}{% for part in message.content -%}
{% if part.type == 'image' %}<image>{% endif %}{% endfor %}{% endif %}{% endfor -%}
{{ bos_token }}
{%- for message in messages %}{% if message.content is string %}{{ message.content }}{% else -%}
{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}
{%- endfor %}{{ '\\n' }}"""
"""A turn as its own processor writes it: all pictures, the token of the beginning, the text, and a line's end."""


class PaliGemma(Family):
    """Parts and traps of ``PaliGemmaForConditionalGeneration``, with the decoder of Gemma or of Gemma 2."""

    name = "paligemma"
    checkpoints = ("google/paligemma-3b-mix-224", "google/paligemma2-3b-mix-224")
    processors = {"image": "SiglipImageProcessor"}
    marks = {"image": "<image>"}
    norm = "rms_plus_one"
    mask = "prompt"

    def template(self) -> str | None:
        """One for checkpoints, which have none."""
        return PROMPT

    def attentions(self, config: Configuration) -> tuple[str, ...]:
        """``eager`` alone where scores are capped, as Gemma 2's are: ``sdpa`` cannot do that."""
        capped = getattr(config.get_text_config(), "attn_logit_softcapping", None)
        return super().attentions(config) if capped is None else ("eager",)

    def logit_cap(self, hf: HuggingFaceModel) -> float | None:
        """That of Gemma 2."""
        return getattr(hf.config.get_text_config(), "final_logit_softcapping", None)

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """The same for every picture."""
        return (hf.config.vision_config.image_size // hf.config.vision_config.patch_size) ** 2

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Normalised pixels of the whole picture."""
        pixels = processed(processor, picture)["pixel_values"]
        return MediaInput("image", {"pixel_values": pixels}, self.count_positions(hf, processor, *picture.size), key)

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower

    def positions(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> Tensor:
        """One more than usual: they begin at 1."""
        return super().positions(hf, ids, media) + 1

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Inputs for the model's own ``forward``, with the token types that its mask depends on."""
        return {**super().native_inputs(hf, ids, media), "token_type_ids": torch.zeros_like(ids[None])}

    def guard(self, hf: HuggingFaceModel) -> None:
        """Supply ``token_type_ids`` whenever a caller leaves them out, 0 for all of a prompt and 1 for its labels.

        Without them transformers masks the prompt as if it were generated and raises nothing.
        """
        prepare, prompt = hf.prepare_inputs_for_generation, [0]

        def fill_forward(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            ids, labels = kwargs.get("input_ids"), kwargs.get("labels")
            if ids is not None and kwargs.get("token_type_ids") is None:
                kwargs["token_type_ids"] = torch.zeros_like(ids) if labels is None else (labels != -100).long()
            return args, kwargs

        def fill_generate(input_ids: Tensor, **kwargs: object) -> dict[str, Any]:
            given = prepare(input_ids, **kwargs)
            if kwargs.get("is_first_iteration", False):
                prompt[0] = input_ids.shape[1]
            if given.get("token_type_ids") is None and (ids := given.get("input_ids")) is not None:
                answer = torch.arange(input_ids.shape[1], device=ids.device)[-ids.shape[1] :] >= prompt[0]
                given["token_type_ids"] = answer.long().expand_as(ids)
            return given

        hf.register_forward_pre_hook(fill_forward, with_kwargs=True)
        hf.prepare_inputs_for_generation = fill_generate


register(PaliGemma())
