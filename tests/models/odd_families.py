"""Models with one odd fact each, written as a stranger would write them, and the family that states the fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaModel

from trimtab.models import HuggingFaceModel, MediaInput, Model
from trimtab.testing.trio.family import TinyTrio
from trimtab.testing.trio.modeling import Features, TrioConfig, TrioForConditionalGeneration, TrioModel
from trimtab.testing.trio.tiny import trio

STREAMS = 2


def odd(name: str, *, check: bool = True, **claims: Any) -> Model:
    """Build the model of a name; ``claims`` replace what its family says."""
    base, family = ODD[name]
    kind = type("OddTrio", (TrioForConditionalGeneration,), {"base": base})
    said = type(f"Family_{name}", (family,), claims)()
    return trio(seed=3, layers=4, check=check, name=name, kind=kind, family=said)


class DeepDecoder(LlamaModel):
    """Adds features at positions of media after its first layers, as Qwen3-VL does."""

    def forward(
        self, *args: Any, visual_pos_masks: Any = None, deepstack_visual_embeds: Any = (), **kwargs: Any
    ) -> Any:
        def adding(features: Tensor) -> Any:
            def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
                output = output.clone()
                output[visual_pos_masks] += features
                return output

            return hook

        hooks = [
            layer.register_forward_hook(adding(features))
            for layer, features in zip(self.layers, deepstack_visual_embeds, strict=False)
        ]
        try:
            return super().forward(*args, **kwargs)
        finally:
            for hook in hooks:
                hook.remove()


class DeepModel(TrioModel):
    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        self.language_model = DeepDecoder(config.text_config)
        hidden = config.text_config.hidden_size
        self.deep = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(STREAMS)])
        self.post_init()

    def deeper(self, features: Features) -> list[Tensor]:
        """What each medium adds after each layer, ``(positions, streams, hidden)``."""
        return [torch.stack([deep(own) for deep in self.deep], dim=1) for own in features.pooler_output]

    def decoder_inputs(self, input_ids: Tensor, features: dict[int, Features]) -> dict[str, Any]:
        masks = {token: input_ids == token for token in features if (input_ids == token).any()}
        if not masks:
            return {}
        streams = torch.zeros(*input_ids.shape, STREAMS, self.config.text_config.hidden_size)
        for token, mask in masks.items():
            streams[mask] = torch.cat(self.deeper(features[token]))
        shown = torch.stack(list(masks.values())).any(0)
        return {"visual_pos_masks": shown, "deepstack_visual_embeds": list(streams[shown].unbind(1))}


class DeepFamily(TinyTrio):
    def streams(self, hf: HuggingFaceModel) -> int:
        return STREAMS

    def embed_media(self, hf: HuggingFaceModel, media: Sequence[MediaInput]) -> list[Tensor]:
        plain = super().embed_media(hf, media)
        deeper = hf.model.deeper(Features(plain))
        return [torch.cat([own[:, None], further], dim=1) for own, further in zip(plain, deeper, strict=True)]

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        if "streams" not in extras:
            return {}
        shown = extras["shown"]
        return {"visual_pos_masks": shown, "deepstack_visual_embeds": list(extras["streams"][shown].unbind(1))}


class IdsDecoder(LlamaModel):
    """Adds an embedding of the token to what enters each layer, as Gemma 3n does."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.per_layer = nn.Embedding(config.vocab_size, config.hidden_size)

    def forward(self, *args: Any, token_ids: Any = None, **kwargs: Any) -> Any:
        hooks = [
            layer.register_forward_pre_hook(lambda _m, args: (args[0] + self.per_layer(token_ids), *args[1:]))
            for layer in self.layers
        ]
        try:
            return super().forward(*args, **kwargs)
        finally:
            for hook in hooks:
                hook.remove()


class IdsModel(TrioModel):
    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        self.language_model = IdsDecoder(config.text_config)
        self.post_init()

    def decoder_inputs(self, input_ids: Tensor, features: dict[int, Features]) -> dict[str, Any]:
        return {"token_ids": input_ids}


class IdsFamily(TinyTrio):
    wants_ids = True

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        return {"token_ids": extras["ids"]}


class MaskedModel(TrioModel):
    """Lets some tokens of a prompt see each other; what is generated sees what came before it."""

    def together(self, ids: list[int], query: int, key: int) -> bool:
        raise NotImplementedError

    def decoder_inputs(self, input_ids: Tensor, features: dict[int, Features]) -> dict[str, Any]:
        length = input_ids.shape[1]
        if length == 1:
            return {}
        mask = torch.zeros(len(input_ids), 1, length, length, dtype=torch.bool)
        for row, ids in enumerate(input_ids.tolist()):
            for query in range(length):
                for key in range(length):
                    mask[row, 0, query, key] = key <= query or self.together(ids, query, key)
        if self.config._attn_implementation != "sdpa":
            return {"attention_mask": torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)}
        return {"attention_mask": mask}


class MediaSeeMedia(MaskedModel):
    def together(self, ids: list[int], query: int, key: int) -> bool:
        between = set(ids[query : key + 1])
        return len(between) == 1 and between <= {self.config.image_token_id, self.config.audio_token_id}


class PromptSeesPrompt(MaskedModel):
    def together(self, ids: list[int], query: int, key: int) -> bool:
        return True


class MediaFamily(TinyTrio):
    mask = "media"


class PromptFamily(TinyTrio):
    mask = "prompt"


class LayerNormModel(TrioModel):
    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        size = config.text_config.hidden_size
        self.language_model.norm = nn.LayerNorm(size)
        nn.init.uniform_(self.language_model.norm.weight, 0.5, 2.0)
        nn.init.uniform_(self.language_model.norm.bias, -1.0, 1.0)


class LayerNormFamily(TinyTrio):
    norm = "layer"


class PlusOneNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.rand(size)), 1e-6

    def forward(self, states: Tensor) -> Tensor:
        return states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.eps) * (1.0 + self.weight)


class PlusOneModel(TrioModel):
    def __init__(self, config: TrioConfig) -> None:
        super().__init__(config)
        self.language_model.norm = PlusOneNorm(config.text_config.hidden_size)


class PlusOneFamily(TinyTrio):
    norm = "rms_plus_one"


class RowsFamily(TinyTrio):
    """Writes a picture's positions in two rows, and a sound's between words."""

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        if medium.kind == "image":
            return f"row one {placeholder * 2}\nrow two {placeholder * (medium.n_tokens - 2)}\n"
        return f"sound {placeholder * medium.n_tokens} ends"


ODD: dict[str, tuple[type[TrioModel], type[TinyTrio]]] = {
    "deepstack": (DeepModel, DeepFamily),
    "per_layer_ids": (IdsModel, IdsFamily),
    "media_see_media": (MediaSeeMedia, MediaFamily),
    "prompt_sees_prompt": (PromptSeesPrompt, PromptFamily),
    "layer_norm": (LayerNormModel, LayerNormFamily),
    "rms_plus_one": (PlusOneModel, PlusOneFamily),
    "rows_of_tiles": (TrioModel, RowsFamily),
}
