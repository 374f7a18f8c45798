"""What a model is shown: preprocessed when it is asked for, encoded once, remembered while there is room."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.media import Held, Medium, medium_kind
from trimtab.modalities import Modality
from trimtab.models.family_media import MediaInput
from trimtab.models.patches import Counterfactual, patch_weights, weighted_patches
from trimtab.models.remembered import MediaTensors, Remembered, embeddings_most, pixels_most, small_tensors
from trimtab.models.space import free_bytes, out_of_memory, release, too_large
from trimtab.models.towers import tower_bytes

if TYPE_CHECKING:
    from trimtab.models.model import Model

logger = logging.getLogger(__name__)

ENCODED_AT_ONCE = 1024
"""Positions that a tower computes in one call."""
AMONG = "-among"
"""What the key of a medium ends with that was prepared as one of several."""


class ShownMedia:
    """Preprocesses, encodes and remembers what one model is shown."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._layouts: dict[Any, MediaInput] = {}
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
        """Forget everything."""
        self._layouts.clear()
        for kept in self._every:
            kept.clear()

    def give_up(self) -> int:
        """Forget everything, and remember half as much from now on; return how many bytes it took."""
        return sum(kept.give_up() for kept in self._every)

    def show(self, kind: Modality, medium: Medium, counterfactual: Counterfactual | None, among: bool) -> MediaInput:
        """See ``Model.show``; ``among`` is False for families that treat one of several like any other."""
        known = medium_kind(kind)
        key, shape = known.fingerprint(medium) + AMONG * among, (kind, known.shape(medium), among)
        if shape not in self._layouts:
            self._layouts[shape] = self._layout(kind, medium, key)
        layout = self._layouts[shape]
        tensors = MediaTensors(layout.tensors, partial(self._preprocessed, Held(medium, kind), key, layout))
        shown = replace(layout, tensors=tensors, key=key)
        return shown if counterfactual is None or kind != "image" else self._weighted(shown, counterfactual)

    def _processed(self, kind: Modality, medium: Medium, key: str) -> MediaInput:
        model = self._model
        how = f"{kind}_among" if key.endswith(AMONG) else kind
        return model.family.show(model.hf, model.processors[kind], how, medium, key)

    def _layout(self, kind: Modality, medium: Medium, key: str) -> MediaInput:
        """Preprocess a medium, and return for all of its shape what does not depend on its content."""
        found = self._processed(kind, medium, key)
        self._pixels.put(key, *found.tensors.values())
        return replace(found, tensors=small_tensors(found.tensors), key="")

    def _preprocessed(self, held: Held, key: str, layout: MediaInput) -> Mapping[str, Tensor]:
        """Return the tensors of a medium, made again if they are forgotten.

        Raises:
            UsageError: It was changed since.
            UnsupportedModelError: The processor treats media of one shape differently.
        """
        kept = self._pixels.get(key)
        if kept is not None:
            return dict(zip(layout.tensors, kept, strict=True))
        medium, known = held.open(), medium_kind(layout.kind)
        if known.fingerprint(medium) != key.removesuffix(AMONG):
            raise UsageError(
                f"`media` of a prompt must stay as they are until it is answered; a {known.noun} was changed; give a "
                "copy of it."
            )
        found = self._processed(layout.kind, medium, key)
        if found.n_tokens != layout.n_tokens:
            raise UnsupportedModelError(
                f"`{layout.kind}_processor` of {self._model.name} must give {known.noun}s of shape "
                f"{known.shape(medium)} equally many positions; it gave {layout.n_tokens} and {found.n_tokens}."
            )
        self._pixels.put(key, *found.tensors.values())
        return found.tensors

    def _weighted(self, shown: MediaInput, counterfactual: Counterfactual) -> MediaInput:
        key = f"{shown.key}-{counterfactual}"
        kept = self._weights.get(key)
        if kept is None:
            attention = self._attention(shown)
            kept = (patch_weights(attention, counterfactual, seed=int(shown.key[:15], 16)),)
            self._weights.put(key, *kept)
        return replace(shown, weights=kept[0], key=key)

    @torch.no_grad()
    def _attention(self, shown: MediaInput) -> Tensor:
        while True:
            try:
                return self._model.family.patch_attention(self._model.hf, shown).cpu()
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if not self.bytes:
                    what = f"the attention map of a picture of {shown.n_tokens:,} positions"
                    raise too_large(self._model, what, error) from error
            self.give_up()
            release()

    def encode(self, media: Sequence[MediaInput]) -> list[Tensor]:
        """See ``Model.embed_media``."""
        kept = {m.key: self._embeddings.get(m.key) for m in media}
        found = {key: tensors[0] for key, tensors in kept.items() if tensors is not None}
        missing = {m.key: m for m in media if m.key not in found}.values()
        parts: list[list[MediaInput]] = []
        for kind in dict.fromkeys(m.kind for m in missing):
            own = [m for m in missing if m.kind == kind]
            parts += _few_positions([m for m in own if m.weights is None])
            parts += _few_positions([m for m in own if m.weights is not None])
        while parts:
            together, encoded = parts.pop(0), None
            try:
                encoded = self._encode(together)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                if len(together) == 1 and not self.bytes:
                    raise too_large(self._model, self._said(together[0]), error) from error
            if encoded is None:  # beyond the handler, where the error no longer holds on to the tensors it saw
                parts = self._fewer_at_once(together) + parts
                continue
            for m, embedding in zip(together, encoded, strict=True):
                found[m.key] = embedding
                self._embeddings.put(m.key, embedding)
        return [found[m.key] for m in media]

    def _said(self, medium: MediaInput) -> str:
        noun, needed = medium_kind(medium.kind).noun, self._needed([medium]) / 1e9
        return f"a {noun} of {medium.n_tokens:,} positions, which needs some {needed:.1f} GB in the tower,"

    def _needed(self, media: Sequence[MediaInput]) -> float:
        """Return about how many bytes the tower takes for media."""
        return tower_bytes(self._model.hf, self._model.dtype, sum(m.n_tokens for m in media))

    def _encode(self, media: list[MediaInput]) -> list[Tensor]:
        model = self._model
        # A GPU says that memory ran out; of a host, the system would end the process.
        if model.device.type == "cpu" and self._needed(media) > free_bytes(model.device):
            raise MemoryError(f"{self._needed(media):.0f} bytes")
        with torch.no_grad(), weighted_patches(model.family, model.hf, media):
            return model.family.embed_media(model.hf, media)

    def _fewer_at_once(self, together: list[MediaInput]) -> list[list[MediaInput]]:
        """Make room for media that did not fit; return them in parts that may."""
        given_up, noun = self.give_up(), medium_kind(together[0].kind).noun
        release()
        logger.warning("Out of memory at %d %ss; gave up %.0f MB of others.", len(together), noun, given_up / 1e6)
        half = len(together) if given_up else len(together) // 2
        return [part for part in (together[:half], together[half:]) if part]


def _few_positions(media: list[MediaInput]) -> list[list[MediaInput]]:
    """Cut media into parts that a tower takes at once."""
    parts, positions = [], ENCODED_AT_ONCE
    for m in media:
        positions += m.n_tokens
        if positions > ENCODED_AT_ONCE:
            parts.append([])
            positions = m.n_tokens
        parts[-1].append(m)
    return parts
