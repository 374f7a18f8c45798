"""A loaded model, seen through its family: parts, sizes, images and identity."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError
from trimtab.media import open_picture, picture_key
from trimtab.models.family import Family, Pixels
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.models.patches import Counterfactual, patch_weights, weighted_patches
from trimtab.models.report import LoadReport

if TYPE_CHECKING:
    from transformers import DynamicCache

IMAGE_CACHE = 4096
"""Pictures whose pixels and embeddings are kept; a study asks many questions of the same picture."""
ENCODED_AT_ONCE = 1024
"""Image positions that the vision tower computes in one call."""


class Model:
    """A vision-language model with its tokenizer and image processor.

    Attributes:
        hf: The Hugging Face model, in eval mode with frozen parameters.
        tokenizer: Its tokenizer.
        image_processor: Its image processor.
        chat_template: The Jinja chat template that renders a turn.
        family: Where the model's parts are.
        name: The name or path it was loaded from.
        report: What loading found: types, limits, overridden settings.
    """

    def __init__(
        self,
        hf: nn.Module,
        tokenizer: Any,
        image_processor: Any,
        chat_template: str,
        family: Family,
        name: str,
    ) -> None:
        self.hf = hf.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.chat_template = chat_template
        self.family = family
        self.name = name
        self.report = LoadReport(str(self.dtype).removeprefix("torch."))
        self.ambient: list[Any] = []
        """The open ``with applied(...)`` blocks, innermost last; the engine keeps them."""
        self.engine_drives = False
        """True while the engine runs the decoder and applies edits itself."""
        self.batch_size: int | None = None
        """Rows of a batch that are known to fit in memory; the engine keeps it."""
        self._pixels: OrderedDict[str, Pixels] = OrderedDict()
        self._embeddings: OrderedDict[str, Tensor] = OrderedDict()

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, family={self.family.name!r}, layers={self.n_layers}, heads={self.n_heads}, "
            f"hidden={self.hidden_size}, dtype={str(self.dtype).removeprefix('torch.')}, device={self.device})"
        )

    @cached_property
    def text_config(self) -> Any:
        """The decoder's configuration."""
        return cast(Any, self.hf).config.get_text_config()

    @cached_property
    def decoder(self) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        return self.family.decoder(self.hf)

    @cached_property
    def layers(self) -> list[nn.Module]:
        """The decoder's blocks, first to last."""
        return list(self.family.layers(self.hf))

    @cached_property
    def head_outputs(self) -> list[nn.Module]:
        """For each layer, the map whose input is its heads' outputs, head after head."""
        return [self.family.head_outputs(layer) for layer in self.layers]

    @cached_property
    def attentions(self) -> list[nn.Module]:
        """For each layer, its attention."""
        return [self.family.attention(layer) for layer in self.layers]

    def norm_scale(self, states: Tensor) -> Tensor:
        """Return what the final norm multiplies each component of the last layer's states by, in their shape.

        With these factors frozen the logits are linear in the residual stream, so the contributions of its parts add
        up to them exactly.
        """
        norm = cast(Any, self.family.final_norm(self.hf))
        states = states.float()
        return norm.weight.float() * torch.rsqrt(states.square().mean(-1, keepdim=True) + norm.variance_epsilon)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.layers)

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return self.text_config.num_attention_heads

    @property
    def head_dim(self) -> int:
        """Width of one query head."""
        return getattr(self.text_config, "head_dim", None) or self.hidden_size // self.n_heads

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return self.text_config.hidden_size

    @property
    def device(self) -> torch.device:
        """Where the token embeddings live; inputs go there."""
        return self.embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the token embeddings."""
        return self.embedding.weight.dtype

    @cached_property
    def embedding(self) -> nn.Embedding:
        """The token embedding table."""
        return cast(Any, self.hf).get_input_embeddings()

    @cached_property
    def lm_head(self) -> nn.Module:
        """The map from normalised hidden states to logits."""
        return cast(Any, self.hf).get_output_embeddings()

    @cached_property
    def image_token(self) -> int:
        """Id of the token that stands for one image position."""
        return self.family.image_token(self.hf)

    @cached_property
    def stop_tokens(self) -> frozenset[int]:
        """Ids that end a generation."""
        config = getattr(self.hf, "generation_config", None)
        declared = getattr(config, "eos_token_id", None)
        ids = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*ids, self.tokenizer.eos_token_id] if i is not None)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the configuration and of a sample of every weight; equal for equal models."""
        return weights_fingerprint(self.hf)

    def pixels(self, image: Image, counterfactual: Counterfactual | None = None) -> Pixels:
        """Preprocess a picture; equal pictures are preprocessed once.

        Args:
            image: The picture.
            counterfactual: Weight its patches by a changed map of the vision tower's attention; see ``patch_weights``.
                Equal pictures get equal weights.
        """
        image = open_picture(image)
        key = picture_key(image)
        if key not in self._pixels:
            _remember(self._pixels, key, self.family.pixels(self.hf, self.image_processor, image, key))
        pixels = self._pixels[key]
        return pixels if counterfactual is None else self._weighted(pixels, counterfactual)

    def _weighted(self, pixels: Pixels, counterfactual: Counterfactual) -> Pixels:
        key = f"{pixels.key}-{counterfactual}"
        if key not in self._pixels:
            with torch.no_grad():
                attention = self.family.patch_attention(self.hf, pixels).cpu()
            weights = patch_weights(attention, counterfactual, seed=int(pixels.key[:15], 16))
            _remember(self._pixels, key, replace(pixels, weights=weights, key=key))
        return self._pixels[key]

    def forget_images(self) -> None:
        """Drop the remembered pictures, so that what is computed next does not depend on what came before."""
        self._pixels.clear()
        self._embeddings.clear()

    def embed_images(self, pixels: list[Pixels]) -> list[Tensor]:
        """Encode pictures to decoder embeddings; each picture is encoded once while it is remembered.

        Args:
            pixels: Preprocessed pictures, repeats allowed.

        Returns:
            One ``(n_tokens, hidden)`` tensor for each, without gradient.
        """
        found = {p.key: self._embeddings[p.key] for p in pixels if p.key in self._embeddings}
        missing = {p.key: p for p in pixels if p.key not in found}.values()
        plain = [p for p in missing if p.weights is None]
        weighted = [p for p in missing if p.weights is not None]
        for together in _few_positions(plain) + _few_positions(weighted):
            with torch.no_grad(), weighted_patches(self.family.projector(self.hf), together):
                embeddings = self.family.embed_images(self.hf, together)
            for p, embedding in zip(together, embeddings, strict=True):
                found[p.key] = embedding
                _remember(self._embeddings, p.key, embedding)
        return [found[p.key] for p in pixels]

    def embed(self, ids: Tensor, pixels: list[Pixels]) -> Tensor:
        """Embed one unpadded prompt, pictures in the places of their tokens.

        Args:
            ids: Token ids, ``(length,)``.
            pixels: The prompt's pictures in order.

        Returns:
            Embeddings, ``(length, hidden)``.

        Raises:
            UnsupportedModelError: The prompt has more or fewer image positions than the pictures fill.
        """
        embeds = self.embedding(ids)
        places = ids == self.image_token
        if not pixels and not places.any():
            return embeds
        images = torch.cat(self.embed_images(pixels)).to(embeds)
        if len(images) != int(places.sum()):
            raise UnsupportedModelError(
                f"`pixels` of {self.name} must fill the prompt's {int(places.sum())} image positions; they hold "
                f"{len(images)}; check the image processor's sizes against the checkpoint."
            )
        return embeds.masked_scatter(places[:, None], images)

    @property
    def can_begin_late(self) -> bool:
        """Whether ``decode`` can begin at any layer; not where layers attend differently, told by their number."""
        return len(set(getattr(self.text_config, "layer_types", None) or ())) <= 1

    def decode(
        self,
        embeds: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None = None,
        first_layer: int = 0,
    ) -> Tensor:
        """Run the text decoder with explicit positions, so nothing can be guessed wrongly.

        Args:
            embeds: Input embeddings, or what enters ``first_layer``, ``(batch, length, hidden)``.
            mask: 1 at real tokens and 0 at padding, ``(batch, cached + length)``.
            positions: Rotary positions, ``(axes, batch, length)``.
            cache: Keys and values of earlier tokens; extended in place.
            first_layer: Where to begin; see ``can_begin_late``.

        Returns:
            Normalised hidden states, ``(batch, length, hidden)``; ``lm_head`` maps them to logits.
        """
        with self._from_layer(first_layer):
            return self.decoder(
                inputs_embeds=embeds,
                attention_mask=mask,
                position_ids=positions[0] if len(positions) == 1 else positions,
                past_key_values=cache,
                use_cache=cache is not None,
            ).last_hidden_state

    @contextmanager
    def _from_layer(self, first: int) -> Iterator[None]:
        """Leave out the layers below ``first`` inside the block; the others keep their places in the cache."""
        if first == 0:
            yield
            return
        decoder, every = cast(Any, self.decoder), self.family.layers(self.hf)
        decoder.layers = every[first:]
        try:
            yield
        finally:
            decoder.layers = every

    @contextmanager
    def attention(self, implementation: str) -> Iterator[None]:
        """Use another attention implementation (``"sdpa"``, ``"eager"``) inside the block."""
        before = self.text_config._attn_implementation
        cast(Any, self.hf).set_attn_implementation(implementation)
        try:
            yield
        finally:
            cast(Any, self.hf).set_attn_implementation(before)


def _few_positions(pixels: list[Pixels]) -> list[list[Pixels]]:
    """Cut pictures into parts that the vision tower takes at once."""
    parts, positions = [], ENCODED_AT_ONCE
    for p in pixels:
        positions += p.n_tokens
        if positions > ENCODED_AT_ONCE:
            parts.append([])
            positions = p.n_tokens
        parts[-1].append(p)
    return parts


def _remember(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
    cache[key] = value
    if len(cache) > IMAGE_CACHE:
        cache.popitem(last=False)
