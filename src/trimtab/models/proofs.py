"""What the self-check tries a model on, and how what it finds is compared and refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError
from trimtab.media import medium_kind
from trimtab.models.family_media import MediaInput
from trimtab.models.masks import cut_before
from trimtab.models.model import Model

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}
LOW_PRECISION_TOLERANCE = 5e-2
"""Largest difference allowed, relative to the largest logit; bfloat16 keeps about three digits."""
CONTINUED = 5
"""Tokens at a prompt's end that are each tried as one that continues a cache, where one alone may mislead."""
PADDING = 3
"""Slots of padding before each piece of a prompt that is cut."""


@dataclass(frozen=True, eq=False)
class Given:
    """One prompt as the decoder takes it.

    Attributes:
        model: The model.
        embeds: Embeddings, ``(1, length, hidden)``.
        positions: Rotary positions, ``(axes, 1, length)``.
        extras: See ``Model.decode``.
        media: Which positions are of media, ``(length,)``.
    """

    model: Model
    embeds: Tensor
    positions: Tensor
    extras: dict[str, Tensor]
    media: Tensor

    @classmethod
    def of(cls, model: Model, ids: Tensor, media: Sequence[MediaInput]) -> Given:
        """Make a prompt ready."""
        extras = {name: values[None] for name, values in model.extras(ids, media).items()}
        positions = model.family.positions(model.hf, ids, media)[:, None]
        return cls(model, model.embed(ids, media)[None], positions, extras, model.media_positions(ids))

    def decode(self) -> Tensor:
        """Return the logits of all positions, ``(1, length, vocabulary)``, in one pass."""
        mask = torch.ones(self.embeds.shape[:2], device=self.embeds.device, dtype=torch.long)
        return self.model.logits(self.model.decode(self.embeds, mask, self.positions, extras=self.extras))

    def decode_cut(self, cut: int, stop: int | None = None) -> Tensor:
        """Return the same in two passes, the second onto the first one's cache, padded on the left as batches are.

        Args:
            cut: Where the second pass begins.
            stop: Where it ends; left out, at the prompt's end.
        """
        model, length = self.model, self.embeds.shape[1]
        cache, mask, logits = model.family.cache(model.hf), self.embeds.new_zeros(1, 0, dtype=torch.long), []
        for part in (slice(0, cut), slice(cut, stop or length)):
            own, pad = part.stop - part.start, 0 if model.recurrent and part.start else PADDING
            mask = torch.cat([mask, mask.new_zeros(1, pad), mask.new_ones(1, own)], dim=1)
            extras = {n: _padded(v[:, part], pad, -1 if n == "blocks" else 0) for n, v in self.extras.items()}
            positions = torch.nn.functional.pad(self.positions[:, :, part], (pad, 0))
            hidden = model.decode(_padded(self.embeds[:, part], pad), mask, positions, cache, extras=extras)
            logits.append(model.logits(hidden[:, pad:]))
        return torch.cat(logits, dim=1)


def _padded(values: Tensor, pad: int, fill: int = 0) -> Tensor:
    rows, _, *rest = values.shape
    return torch.cat([values.new_full((rows, pad, *rest), fill), values], dim=1)


def check_media(model: Model, media: Sequence[MediaInput]) -> None:
    """Media that a tower encodes together must have the features that each has alone, since batches do that."""
    for medium in media:
        noun, streams = medium_kind(medium.kind).noun, model.n_streams
        [alone] = model.family.embed_media(model.hf, [medium])
        shape = (medium.n_tokens, model.hidden_size)
        shape = (medium.n_tokens, 1 + streams, model.hidden_size) if streams else shape
        if tuple(alone.shape) != shape:
            refuse(
                model, f"a {noun} of {medium.n_tokens} positions must have features {shape}", f"{tuple(alone.shape)}"
            )
        together = model.family.embed_media(model.hf, [medium, _another(medium)])
        shapes = [tuple(features.shape) for features in together]
        if shapes != [shape] * 2:
            refuse(model, f"two {noun}s must have features {shape} each", f"{shapes}")
        same_logits(model, f"a {noun} encoded beside another has the features that it has alone", together[0], alone)


def _another(medium: MediaInput) -> MediaInput:
    """A medium of the same shape with other content: beside itself it would not show what mixes the two."""
    tensors = {name: t.flip(-1) if t.is_floating_point() else t for name, t in medium.tensors.items()}
    return replace(medium, tensors=tensors, key="")


def check_cuts(model: Model, given: Given, logits: Tensor) -> None:
    """A prompt cut where the planner may cut, and padded as batches are, must give the same answer from its cache.

    It is cut inside its first medium, or before it where tokens of a medium see each other; and before its last token.
    """
    length, shown = given.embeds.shape[1], given.media.nonzero()[:, 0]
    blocks = given.extras["blocks"][0] if "blocks" in given.extras else None
    inside = int(shown[len(shown) // 2]) if len(shown) else length // 2
    for cut in sorted({cut_before(blocks, place) for place in (inside, length - 1)} - {0}):
        claim = f"a prompt continued from its cache of {cut} tokens gives the same answer"
        if _may_route_otherwise(model):
            _mostly_same(model, claim, given, logits, cut)
        else:
            same_logits(model, claim, given.decode_cut(cut)[0], logits)


def _may_route_otherwise(model: Model) -> bool:
    """Whether rounding can send a token to another expert, which is another answer though nothing is wrong."""
    experts = getattr(model.text_config, "num_experts", None) or getattr(model.text_config, "num_local_experts", None)
    return bool(experts) and model.dtype not in TOLERANCE


def _mostly_same(model: Model, claim: str, given: Given, logits: Tensor, cut: int) -> None:
    """Refuse as ``same_logits`` does, by the median token behind the cut: what is wrong with a cache is so at all.

    Where the last token alone is behind the cut, those before it are tried as the last one, too.
    """
    length = len(logits)
    if length - cut > CONTINUED:
        found, first = given.decode_cut(cut)[0, cut:], cut
    else:
        first = length - CONTINUED
        found = torch.cat([given.decode_cut(place, place + 1)[0, place:] for place in range(first, length)])
    expected = logits[first:]
    median = int((found.float() - expected.float()).abs().amax(-1).argsort()[len(found) // 2])
    same_logits(model, claim, found[median], expected[median])


def same_logits(model: Model, claim: str, got: Tensor, expected: Tensor) -> None:
    """Refuse the model where logits differ by more than its type's rounding explains.

    Raises:
        UnsupportedModelError: They do, or they are not finite.
    """
    difference = float((got.float() - expected.float()).abs().max() / expected.float().abs().max())
    limit = TOLERANCE.get(model.dtype, LOW_PRECISION_TOLERANCE)
    if not difference <= limit:
        refuse(model, f"{claim} (logits within {limit:g} of the largest)", f"a difference of {difference:.2g}")


def refuse(model: Model, claim: str, found: object) -> None:
    """Refuse a model that is not as its family says.

    Raises:
        UnsupportedModelError: Always.
    """
    import transformers

    raise UnsupportedModelError(
        f"`{model.name}` failed the self-check of family {model.family.name}: {claim}; found {found}. This "
        f"combination with transformers {transformers.__version__} is not supported; please report it."
    )
