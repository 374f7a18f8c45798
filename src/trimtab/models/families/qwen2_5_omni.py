"""Qwen2.5-Omni: its thinker, which sees, hears and answers in text; what speaks is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.media import Sound
from trimtab.modalities import Modality
from trimtab.models.clips import ClipProcessor
from trimtab.models.families.hearing import heard
from trimtab.models.families.qwen_vl import QwenVL
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor

CLIP_PIXELS = {"shortest_edge": 128 * 28 * 28, "longest_edge": 768 * 28 * 28}
"""What its own processor scales clips to, whatever the checkpoint says of pictures."""
AROUND: dict[Modality, tuple[str, str]] = {
    "image": ("<|vision_bos|>", "<|vision_eos|>"),
    "video": ("<|vision_bos|>", "<|vision_eos|>"),
    "audio": ("<|audio_bos|>", "<|audio_eos|>"),
}
"""Tokens around each medium, without which the model's own rule of positions does not find it."""


class Qwen25OmniThinker(QwenVL):
    """Parts and traps of ``Qwen2_5OmniThinkerForConditionalGeneration``."""

    name = "qwen2_5_omni_thinker"
    processors = {**QwenVL.processors, "audio": "WhisperFeatureExtractor"}
    marks = {kind: f"{AROUND[kind][0]}<|{kind.upper()}|>{AROUND[kind][1]}" for kind in AROUND}
    leaves_out = ("talker.", "token2wav.")

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """Ids of one position of a picture, a clip and a sound."""
        return {**super().placeholders(hf), "audio": hf.config.audio_token_id}

    def clip_processor(self, image_processor: Processor, settings: Mapping[str, Any]) -> ClipProcessor:
        """Clips have sizes of their own: a checkpoint's numbers of pixels are those of pictures."""
        own = {name: value for name, value in settings.items() if name not in ("min_pixels", "max_pixels")}
        return super().clip_processor(image_processor, {"size": CLIP_PIXELS, **own})

    def show_audio(self, hf: HuggingFaceModel, processor: Processor, sound: Sound, key: str) -> MediaInput:
        """Only the features that are heard, without the silence behind them."""
        given = heard(hf, processor, sound, key)
        length = given.tensors["feature_attention_mask"].sum(-1)
        features = given.tensors["input_features"][..., : int(length)].clone()
        mask = torch.ones_like(features[:, 0], dtype=torch.long)
        tensors = {"input_features": features, "feature_attention_mask": mask, "audio_feature_lengths": length}
        return MediaInput("audio", tensors, given.n_tokens, key)

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """Positions between two tokens."""
        begin, end = AROUND[medium.kind]
        return begin + placeholder * medium.n_tokens + end

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower, or the encoder of sounds."""
        return hf.model.audio_tower if kind == "audio" else hf.model.visual

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Sounds are filled up to the longest."""
        if not media or media[0].kind != "audio":
            return super().joined(media)
        longest = max(medium.tensors["input_features"].shape[-1] for medium in media)
        rows: dict[str, list[Tensor]] = {}
        for medium in media:
            for name, tensor in medium.tensors.items():
                short = 0 if name == "audio_feature_lengths" else longest - tensor.shape[-1]
                rows.setdefault(name, []).append(nn.functional.pad(tensor, (0, short)))
        return {name: torch.cat(own) for name, own in rows.items()}

    def positions(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> Tensor:
        """By the model's own rule where something is seen; sounds by themselves are counted as text."""
        if all(medium.kind == "audio" for medium in media):
            return torch.arange(len(ids), device=ids.device).expand(3, -1)
        positions, _ = hf.model.get_rope_index(ids[None], **self.rope_inputs(hf, ids, media))
        return positions[:, 0]

    def rope_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Grids, how many features sounds have, and the seconds between a clip's times."""
        names = {"image_grid_thw": "image_grid_thw", "video_grid_thw": "video_grid_thw"}
        names |= {"audio_seqlens": "audio_feature_lengths"}
        found = {own: [m.tensors[name] for m in media if name in m.tensors] for own, name in names.items()}
        given = {own: torch.cat(tensors).to(ids.device) for own, tensors in found.items() if tensors}
        steps = [medium.step for medium in media if medium.kind == "video"]
        return {**given, "second_per_grids": torch.tensor(steps, device=ids.device)} if steps else given

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Inputs for the model's own ``forward``, which knows the seconds between a clip's times by another name."""
        given, rope = Family.native_inputs(self, hf, ids, media), self.rope_inputs(hf, ids, media)
        return {**given, "video_second_per_grid": rope["second_per_grids"]} if "second_per_grids" in rope else given

    def guard(self, hf: HuggingFaceModel) -> None:
        """Supply a mask where a caller leaves it out: without it positions are those of text, or of an earlier call."""

        def fill(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            ids, cached = kwargs.get("input_ids"), kwargs.get("past_key_values")
            fresh = cached is None or cached.get_seq_length() == 0
            if (
                ids is not None
                and fresh
                and kwargs.get("attention_mask") is None
                and kwargs.get("position_ids") is None
            ):
                kwargs["attention_mask"] = torch.ones_like(ids)
            return args, kwargs

        hf.model.register_forward_pre_hook(fill, with_kwargs=True)


class Qwen25Omni(Qwen25OmniThinker):
    """Released checkpoints, which hold a thinker among other parts."""

    name = "qwen2_5_omni"
    checkpoints = ("Qwen/Qwen2.5-Omni-3B", "Qwen/Qwen2.5-Omni-7B")
    part = "thinker_config"


register(Qwen25OmniThinker())
register(Qwen25Omni())
