"""The two pocket architectures, as transformers builds them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
)
from transformers.models.clip.modeling_clip import CLIPVisionEmbeddings

from trimtab.pocket.scene import SIDE

WIDTH = 256
LAYERS = 12
VOCABULARY = 1664
INIT_STD = 0.06  # at this width, transformers' 0.02 stalls

_TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 384,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 8,
    "max_position_embeddings": 1024,
    "initializer_range": INIT_STD,
    "tie_word_embeddings": True,
}


def build(name: str, seed: int = 0) -> Any:
    """Build a fresh pocket model with random weights.

    Args:
        name: "pocket-qwen" or "pocket-llava".
        seed: Seed of the weights.
    """
    torch.manual_seed(seed)
    model = {"pocket-qwen": _qwen, "pocket-llava": _llava}[name]()
    _spread(model)
    return model


def _qwen() -> PreTrainedModel:
    config = Qwen2_5_VLConfig(
        text_config=_TEXT
        | {
            "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "eos_token_id": 2,
            "bos_token_id": 0,
            "pad_token_id": 0,
        },
        vision_config={
            "depth": 5,
            "hidden_size": 192,
            "intermediate_size": 384,
            "num_heads": 6,
            "patch_size": 14,
            "window_size": 56,
            "out_hidden_size": WIDTH,
            "fullatt_block_indexes": [1, 4],
            "initializer_range": INIT_STD,
        },
        vision_start_token_id=3,
        vision_end_token_id=4,
        image_token_id=5,
        video_token_id=6,
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def _llava() -> PreTrainedModel:
    config = LlavaConfig(
        text_config=LlamaConfig(
            **_TEXT, num_key_value_heads=8, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=6,
            image_size=SIDE,
            patch_size=16,
            projection_dim=WIDTH,
        ),
        image_token_index=4,
        image_seq_length=(SIDE // 16) ** 2,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)


def _spread(model: nn.Module) -> None:
    """Give every matrix the same spread, whatever its class would have chosen."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=INIT_STD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, CLIPVisionEmbeddings):
            module.position_embedding.weight.data[1:] += _places(round(module.num_patches**0.5), module.embed_dim)


def _places(side: int, width: int) -> torch.Tensor:
    """Sines and cosines of row and column: random positions this small are learned too slowly."""
    rates = torch.logspace(0, -1.3, width // 4)
    turns = torch.arange(side)[:, None] * rates
    wave = torch.cat([turns.sin(), turns.cos()], -1)
    rows, columns = wave.repeat_interleave(side, 0), wave.repeat(side, 1)
    return 3.0 * torch.cat([rows, columns], -1)  # the scale of the patches beside them
