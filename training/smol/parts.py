"""What is trained: tower and projector, and a low-rank change to each linear map of the language model."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import LlamaConfig
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

import trimtab
from trimtab.pocket.scene import SIDE
from trimtab.smol import llava_config

RANK, SCALE = 16, 2.0
TOKENS_A_SIDE = SIDE // 16
ADAPTED = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)


class Eyes(nn.Module):
    """Pixels to what the language model receives in a picture's place."""

    def __init__(self, vision_tower: nn.Module, multi_modal_projector: nn.Module) -> None:
        super().__init__()
        self.vision_tower, self.multi_modal_projector = vision_tower.float(), multi_modal_projector.float()

    @property
    def device(self) -> torch.device:
        """Where they compute."""
        return next(self.parameters()).device

    def forward(self, pixels: Tensor) -> Tensor:
        """See normalised pictures, pictures x 3 x side x side; return pictures x tokens x width, float32."""
        with torch.autocast(self.device.type, torch.bfloat16):
            patches = self.vision_tower(pixels.to(self.device)).last_hidden_state[:, 1:]
            return self.multi_modal_projector(patches).float()


def new_eyes(language: LlamaConfig) -> Eyes:
    """Begin with pocket-llava's tower, which sees these pictures, and a projector that knows nothing."""
    tower = trimtab.load("pocket-llava", device="cpu", check=False).hf.model.vision_tower
    projector = LlavaMultiModalProjector(llava_config(copy.deepcopy(language)))  # which it takes as its own
    nn.init.normal_(projector.linear_2.weight, std=0.02)
    return Eyes(tower, projector).requires_grad_()


class LowRank(nn.Module):
    """A weight with a low-rank change, rounded as the finished checkpoint will be.

    The change starts at zero. Factors are float32; the sum is made in float32 and takes the weight's own type.
    """

    def __init__(self, inside: int, outside: int, rank: int = RANK) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, inside) / math.sqrt(inside))
        self.up = nn.Parameter(torch.zeros(outside, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight."""
        return torch.addmm(weight.float(), self.up, self.down, alpha=SCALE).to(weight.dtype)


def adapt(language_model: Any) -> nn.ModuleDict:
    """Put a low-rank change on every linear map of every layer; freeze all else.

    Returns:
        The changes, by the maps' names with dashes for dots.
    """
    language_model.requires_grad_(False)
    changes = nn.ModuleDict()
    for number, layer in enumerate(language_model.layers):
        for name in ADAPTED:
            linear = layer.get_submodule(name)
            change = LowRank(linear.in_features, linear.out_features).to(linear.weight.device)
            parametrize.register_parametrization(linear, "weight", change, unsafe=True)
            changes[f"layers.{number}.{name}".replace(".", "-")] = change
    return changes
