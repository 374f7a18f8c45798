"""The pictures of one model: preprocessed and encoded as they are needed, remembered while there is room."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.media import Held, Picture, picture_key
from trimtab.models.family import Pixels
from trimtab.models.patches import Counterfactual, patch_weights, weighted_patches
from trimtab.models.remembered import PictureTensors, Remembered, embeddings_most, pixels_most, small_tensors
from trimtab.models.space import out_of_memory, release, too_large

if TYPE_CHECKING:
    from trimtab.models.model import Model

logger = logging.getLogger(__name__)

ENCODED_AT_ONCE = 1024
"""Image positions that the vision tower computes in one call."""


class Pictures:
    """Preprocesses, encodes and remembers the pictures of one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._layouts: dict[tuple[int, int], Pixels] = {}
        self._pixels = Remembered(pixels_most)
        self._weights = Remembered(pixels_most)
        self._embeddings = Remembered(embeddings_most)

    @property
    def bytes(self) -> int:
        """Bytes that are remembered, on the host and on the device."""
        return sum(kept.bytes for kept in self._every)

    @property
    def _every(self) -> tuple[Remembered, ...]:
        return self._pixels, self._weights, self._embeddings

    def forget(self) -> None:
        """Forget every picture."""
        self._layouts.clear()
        for kept in self._every:
            kept.clear()

    def give_up(self) -> int:
        """Forget every picture, and remember half as many from now on; return how many bytes they took."""
        return sum(kept.give_up() for kept in self._every)

    def show(self, image: Picture, counterfactual: Counterfactual | None) -> Pixels:
        """See ``Model.pixels``."""
        key = picture_key(image)
        if image.size not in self._layouts:
            self._layouts[image.size] = self._layout(image, key)
        layout = self._layouts[image.size]
        tensors = PictureTensors(layout.tensors, partial(self._preprocessed, Held(image), key, layout))
        pixels = Pixels(tensors, layout.n_tokens, key)
        return pixels if counterfactual is None else self._weighted(pixels, counterfactual)

    def _layout(self, image: Picture, key: str) -> Pixels:
        """Preprocess a picture, and return for all of its size what does not depend on what it shows."""
        found = self._model.family.pixels(self._model.hf, self._model.image_processor, image, key)
        self._pixels.put(key, *found.tensors.values())
        return replace(found, tensors=small_tensors(found.tensors), key="")

    def _preprocessed(self, held: Held, key: str, layout: Pixels) -> Mapping[str, Tensor]:
        """Return the tensors of a picture, made again if they are forgotten.

        Raises:
            UsageError: The picture was changed since.
            UnsupportedModelError: The image processor treats pictures of one size differently.
        """
        model, kept = self._model, self._pixels.get(key)
        if kept is not None:
            return dict(zip(layout.tensors, kept, strict=True))
        image = held.open()
        if picture_key(image) != key:
            raise UsageError(
                "`images` of a prompt must stay as they are until it is answered; one was changed; give a copy of it."
            )
        found = model.family.pixels(model.hf, model.image_processor, image, key)
        if found.n_tokens != layout.n_tokens:
            raise UnsupportedModelError(
                f"`image_processor` of {model.name} must give pictures of {image.width} x {image.height} pixels "
                f"equally many positions; it gave {layout.n_tokens} and {found.n_tokens}."
            )
        self._pixels.put(key, *found.tensors.values())
        return found.tensors

    def _weighted(self, pixels: Pixels, counterfactual: Counterfactual) -> Pixels:
        key = f"{pixels.key}-{counterfactual}"
        kept = self._weights.get(key)
        if kept is None:
            attention = self._attention(pixels)
            kept = (patch_weights(attention, counterfactual, seed=int(pixels.key[:15], 16)),)
            self._weights.put(key, *kept)
        return replace(pixels, weights=kept[0], key=key)

    @torch.no_grad()
    def _attention(self, pixels: Pixels) -> Tensor:
        while True:
            try:
                return self._model.family.patch_attention(self._model.hf, pixels).cpu()
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if not self.bytes:
                    what = f"the attention map of a picture of {pixels.n_tokens:,} positions"
                    raise too_large(self._model, what, error) from error
            self.give_up()
            release()

    def encode(self, pixels: list[Pixels]) -> list[Tensor]:
        """See ``Model.embed_images``."""
        kept = {p.key: self._embeddings.get(p.key) for p in pixels}
        found = {key: tensors[0] for key, tensors in kept.items() if tensors is not None}
        missing = {p.key: p for p in pixels if p.key not in found}.values()
        parts = _few_positions([p for p in missing if p.weights is None])
        parts += _few_positions([p for p in missing if p.weights is not None])
        while parts:
            together, encoded = parts.pop(0), None
            try:
                encoded = self._encode(together)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if len(together) == 1 and not self.bytes:
                    what = f"a picture of {together[0].n_tokens:,} positions"
                    raise too_large(self._model, what, error) from error
            if encoded is None:  # beyond the handler, where the error no longer holds on to the tensors it saw
                parts = self._fewer_at_once(together) + parts
                continue
            for p, embedding in zip(together, encoded, strict=True):
                found[p.key] = embedding
                self._embeddings.put(p.key, embedding)
        return [found[p.key] for p in pixels]

    def _encode(self, pixels: list[Pixels]) -> list[Tensor]:
        model = self._model
        with torch.no_grad(), weighted_patches(model.family.projector(model.hf), pixels):
            return model.family.embed_images(model.hf, pixels)

    def _fewer_at_once(self, together: list[Pixels]) -> list[list[Pixels]]:
        """Make room for pictures that did not fit; return them in parts that may."""
        given_up = self.give_up()
        release()
        logger.warning("Out of memory at %d pictures; gave up %.0f MB of others.", len(together), given_up / 1e6)
        half = len(together) if given_up else len(together) // 2
        return [part for part in (together[:half], together[half:]) if part]


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
