"""Qwen2-Audio: an encoder like Whisper's, one linear map, Qwen2 text model."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.modalities import Modality
from trimtab.models.families.hearing import Hearing
from trimtab.models.family import register
from trimtab.models.hugging_face import HuggingFaceModel


class Qwen2Audio(Hearing):
    """Parts of ``Qwen2AudioForConditionalGeneration``."""

    name = "qwen2_audio"
    checkpoints = ("Qwen/Qwen2-Audio-7B-Instruct",)
    least_positions = 2  # its own code takes a prompt whose sounds have one each for one that is yet to be expanded

    def template(self) -> str | None:
        """That of the model's own processor, which numbers the sounds of a turn."""
        from transformers.models.qwen2_audio.processing_qwen2_audio import Qwen2AudioProcessor

        written = Qwen2AudioProcessor.default_chat_template.fget
        return written and written(None)

    def encode(self, hf: HuggingFaceModel, kind: Modality, given: dict[str, Tensor]) -> list[Tensor]:
        """What its ``forward`` does, which has no function for it: sounds see no silence behind their end."""
        from transformers.masking_utils import create_bidirectional_mask

        model, tower, features = hf.model, hf.model.audio_tower, given["input_features"]
        lengths, counts = tower._get_feat_extract_output_lengths(given["feature_attention_mask"].sum(-1))
        places = torch.arange(tower.config.max_source_positions, device=features.device)
        mask = create_bidirectional_mask(
            config=tower.config,
            inputs_embeds=features.new_zeros(len(features), len(places), 1),
            attention_mask=(places < lengths[:, None]).long(),
        )
        states = model.multi_modal_projector(tower(features, attention_mask=mask).last_hidden_state)
        return [own[:count] for own, count in zip(states, counts.tolist(), strict=True)]


register(Qwen2Audio())
