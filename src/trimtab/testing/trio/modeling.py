"""A small Hugging Face model that is shown pictures and sounds: a Llama behind two projectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationMixin, LlamaConfig, LlamaModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

PATCH = 14
"""Pixels of a patch's side; a picture is scaled to 2 x 2 patches."""
FRAME = 16
"""Samples of a sound's frame, which takes one position."""


class TrioConfig(PretrainedConfig):
    """Configuration: that of the decoder, the widths of the projectors, and the tokens that stand for media."""

    model_type = "tiny_trio"
    sub_configs = {"text_config": LlamaConfig}  # pyright: ignore

    def __init__(
        self,
        text_config: dict[str, Any] | LlamaConfig | None = None,
        projector_size: int = 32,
        image_token_id: int = 0,
        audio_token_id: int = 1,
        **kwargs: object,
    ) -> None:
        self.text_config = text_config if isinstance(text_config, LlamaConfig) else LlamaConfig(**(text_config or {}))
        self.projector_size = projector_size
        self.image_token_id, self.audio_token_id = image_token_id, audio_token_id
        super().__init__(**{"tie_word_embeddings": False, **kwargs})


@dataclass
class Features:
    """What a projector makes of media: embeddings of each, ``(positions, hidden)``."""

    pooler_output: list[Tensor]


class Projector(nn.Module):
    """Two linear maps with a rectifier between them."""

    def __init__(self, width: int, inner: int, out: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(width, inner), nn.Linear(inner, out)

    def forward(self, values: Tensor) -> Tensor:
        """Map ``(..., width)`` to ``(..., out)``."""
        return self.linear_2(self.linear_1(values).relu())


class _Base(PreTrainedModel):
    config_class = TrioConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_attention_backend = True
    _no_split_modules = ["LlamaDecoderLayer"]


class TrioModel(_Base):
    """Decoder and projectors."""

    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        hidden, inner = config.text_config.hidden_size, config.projector_size
        self.language_model: Any = LlamaModel(config.text_config)
        self.picture_projector = Projector(3 * PATCH**2, inner, hidden)
        self.sound_projector = Projector(FRAME, inner, hidden)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings."""
        return self.language_model.embed_tokens

    def get_image_features(self, pixel_values: Tensor, **_: object) -> Features:
        """Embed pictures ``(pictures, patches, values)``."""
        return Features(list(self.picture_projector(pixel_values.to(self.dtype))))

    def get_audio_features(self, sound_frames: Tensor, sound_lengths: Tensor, **_: object) -> Features:
        """Embed sounds, whose frames ``(frames, samples)`` follow each other; ``sound_lengths`` are frames of each."""
        return Features(list(self.sound_projector(sound_frames.to(self.dtype)).split(sound_lengths.tolist())))

    def decoder_inputs(self, input_ids: Tensor, features: dict[int, Features]) -> dict[str, Any]:
        """What the decoder is given beside embeddings; for models that are made from this one."""
        return {}

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        sound_frames: Tensor | None = None,
        sound_lengths: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: object,
    ) -> BaseModelOutputWithPast:
        """Put embedded media in the places of their tokens, and run the decoder."""
        if inputs_embeds is None:
            assert input_ids is not None
            embeds: Tensor = self.language_model.embed_tokens(input_ids)
            found = {}
            if pixel_values is not None:
                found[self.config.image_token_id] = self.get_image_features(pixel_values)
            if sound_frames is not None and sound_lengths is not None:
                found[self.config.audio_token_id] = self.get_audio_features(sound_frames, sound_lengths)
            for token, features in found.items():
                places = input_ids == token
                if places.any():  # not while an answer is generated
                    shown = torch.cat(features.pooler_output).to(embeds)
                    embeds = embeds.masked_scatter(places[..., None], shown)
            inputs_embeds = embeds
            kwargs |= self.decoder_inputs(input_ids, found)
        return self.language_model(inputs_embeds=inputs_embeds, **kwargs)


class TrioForConditionalGeneration(_Base, GenerationMixin):
    """The model with its unembedding.

    Attributes:
        base: Class of the model inside.
    """

    base: type[TrioModel] = TrioModel

    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        self.model = self.base(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings."""
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.lm_head

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        sound_frames: Tensor | None = None,
        sound_lengths: Tensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: object,
    ) -> CausalLMOutputWithPast:
        """Return logits of each position, or of the last ones."""
        output = self.model(input_ids, pixel_values, sound_frames, sound_lengths, **kwargs)
        logits = self.lm_head(output.last_hidden_state[:, -logits_to_keep:])
        return CausalLMOutputWithPast(logits=logits, past_key_values=output.past_key_values)
