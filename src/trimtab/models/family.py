"""What trimtab must know of a model family, and the registry of families it knows.

A family is a stateless object: it says where the parts of a Hugging Face model are and how its images become
tokens and positions. Everything above this package asks the family and never names a module path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL.Image import Image
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Pixels:
    """One picture as the vision tower takes it.

    Attributes:
        tensors: Keyword tensors of the image processor, for one image; ``Model.pixels`` makes large ones when they
            are asked for.
        n_tokens: Number of positions the picture takes in the prompt.
        key: Digest of the picture's pixels; equal pictures share one encoding.
        weights: Factors of the patches' features, ``(patches,)``, in the order in which the projector takes them; None
            leaves the features as they are. A weighted picture has a key of its own.
    """

    tensors: Mapping[str, Tensor]
    n_tokens: int
    key: str
    weights: Tensor | None = None


class Family(Protocol):
    """Where the parts of one family of Hugging Face models are."""

    name: str
    """The family's ``model_type`` in ``config.json``."""
    image_processor: str
    """Class of its image processor, where a checkpoint does not name one."""

    def decoder(self, hf: nn.Module) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        ...

    def layers(self, hf: nn.Module) -> nn.ModuleList:
        """The decoder's blocks, in order."""
        ...

    def head_outputs(self, layer: nn.Module) -> nn.Module:
        """The linear map whose input is the concatenated outputs of the layer's attention heads."""
        ...

    def attention(self, layer: nn.Module) -> nn.Module:
        """The layer's attention, which takes ``attention_mask`` by name."""
        ...

    def final_norm(self, hf: nn.Module) -> nn.Module:
        """The root-mean-square norm between the last layer and the unembedding."""
        ...

    def image_token(self, hf: nn.Module) -> int:
        """Id of the token that stands for one image position."""
        ...

    def limit_pixels(self, image_processor: Any, most: int | None, at_most_own: bool = False) -> int | None:
        """Have the image processor scale down pictures of more pixels than ``most``; None leaves its own limit.

        Args:
            image_processor: The image processor, changed in place.
            most: The limit.
            at_most_own: Keep the processor's own limit where that is lower.

        Returns:
            The limit in force; None where every picture takes the same number of positions.
        """
        ...

    def count_positions(self, hf: nn.Module, image_processor: Any, width: int, height: int) -> int:
        """Number of positions that a picture of this size takes."""
        ...

    def pixels(self, hf: nn.Module, image_processor: Any, image: Image, key: str) -> Pixels:
        """Preprocess one picture and count its positions."""
        ...

    def embed_images(self, hf: nn.Module, pixels: list[Pixels]) -> list[Tensor]:
        """Encode pictures to decoder embeddings, each ``(n_tokens, hidden)``."""
        ...

    def projector(self, hf: nn.Module) -> nn.Module:
        """What maps the patches' features to decoder embeddings, behind any norm that would undo a factor of theirs.

        Its input, reshaped to ``(patches, width)``, is a row for each patch, picture after picture.
        """
        ...

    def patch_attention(self, hf: nn.Module, pixels: Pixels) -> Tensor:
        """The attention that a picture's patches get where the projector's features come from, ``(heads, patches)``.

        The patches are in the projector's order.
        """
        ...

    def positions(self, hf: nn.Module, ids: Tensor, pixels: list[Pixels]) -> Tensor:
        """Rotary positions of an unpadded prompt ``ids`` of shape ``(length,)``, as ``(axes, length)``."""
        ...

    def native_inputs(self, hf: nn.Module, ids: Tensor, pixels: list[Pixels]) -> dict[str, Tensor]:
        """Keyword inputs for the model's own ``forward`` and ``generate``, batch of one."""
        ...

    def guard(self, hf: nn.Module) -> None:
        """Close the family's silent traps on this instance."""
        ...


FAMILIES: dict[str, Family] = {}
"""Known families by ``model_type``. A new family is one file and one ``register`` line."""


def register(family: Family) -> None:
    """Make a family known to ``trimtab.load``."""
    FAMILIES[family.name] = family


def text_positions(length: int, device: torch.device) -> Tensor:
    """Plain positions ``0 .. length - 1`` as ``(1, length)``, for families with one rotary axis."""
    return torch.arange(length, device=device)[None]
