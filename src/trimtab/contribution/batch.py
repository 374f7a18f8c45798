"""Prompts prefilled once and laid out for many single-token passes: modality by modality, then the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicLayer

from trimtab.contribution.spans import TextSpan, segment
from trimtab.engine import Encoded
from trimtab.engine.local.whitebox import Batch, Piece, collate, prefill
from trimtab.errors import UnsupportedMethodError
from trimtab.modalities import Modality
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Continued:
    """A prompt with the answer tokens whose choice is measured.

    Attributes:
        prompt: The prompt and all answer tokens but the last in one; its spans are those of the prompt.
        length: Tokens of the prompt alone.
        answer: The answer tokens; none if only the first is asked for and not known.
    """

    prompt: Encoded
    length: int
    answer: tuple[int, ...]

    @classmethod
    def of(cls, prompt: Encoded, answer: Sequence[int] = ()) -> Continued:
        """Put answer tokens after a prompt."""
        whole = replace(prompt.followed_by(answer[:-1]), spans=prompt.spans)
        return cls(whole, len(prompt), tuple(answer))

    @property
    def steps(self) -> int:
        """How many answer tokens are asked for."""
        return len(self.prompt) - self.length + 1

    @property
    def alone(self) -> Encoded:
        """The prompt without answer tokens."""
        prompt, n = self.prompt, self.length
        return Encoded(prompt.ids[:n], prompt.positions[:, :n], prompt.spans, prompt.media)


@dataclass(frozen=True, eq=False)
class QueryBatch:
    """Prompts computed up to their last token, in slots, and the tokens that query them.

    Attention does not care in which order it finds keys, whose rotary positions are already applied. So each
    modality's entries can stand together, at the same slots in every item.

    Attributes:
        keys: For each layer ``(items, kv_heads, slots, head_dim)``, in float32 or better.
        values: The same shape.
        slots: Where each modality's entries are, in the order of tables.
        tokens: Which token each slot holds, -1 for none, ``(items, slots)``.
        ids: The query tokens, one for each step, ``(items, steps)``.
        embeds: Their embeddings, ``(items, steps, hidden)``.
        positions: Their rotary positions, ``(axes, items, steps)``.
        index: Which token each query is, -1 for a step the item does not have, ``(items, steps)``. An item with fewer
            steps than others has them last.
    """

    keys: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    values: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    slots: dict[Modality, slice]
    tokens: Int[Tensor, "items slots"]
    ids: Int[Tensor, "items steps"]
    embeds: Float[Tensor, "items steps hidden"]
    positions: Int[Tensor, "axes items steps"]
    index: Int[Tensor, "items steps"]

    @property
    def allowed(self) -> Bool[Tensor, "items steps slots"]:
        """True where a step may look: at the tokens before it, ``(items, steps, slots)``."""
        tokens = self.tokens[:, None]
        return (tokens >= 0) & (tokens < self.index[:, :, None])

    def count(self, modality: Modality) -> Int[Tensor, " items"]:
        """Tokens of a modality, ``(items,)``."""
        return (self.tokens[:, self.slots[modality]] >= 0).sum(-1)


def blocks_alone(batch: Batch) -> Mapping[str, Tensor] | None:
    """Return what a pass over embeddings must be given beside them; None where media say more than embeddings do."""
    return batch.extras if set(batch.extras) <= {"blocks"} else None


@torch.no_grad()
def query_batch(model: Model, asked: Sequence[Continued], text: TextSpan, modalities: Sequence[Modality]) -> QueryBatch:
    """Prefill prompts and lay their entries out.

    Raises:
        UnsupportedMethodError: Not every layer keeps keys and values of its own.
    """
    prefix = prefill(model, [Piece(a.prompt, 0, len(a.prompt) - 1) for a in asked])
    queries = collate(model, [Piece(a.prompt, a.length - 1, len(a.prompt)) for a in asked])
    tokens, slots = _slots(asked, text, modalities)
    tokens = tokens.to(prefix.index.device)
    # A prefix is padded on the left, so token t of a prompt stands that padding further right.
    padding = prefix.length - torch.tensor([len(a.prompt) - 1 for a in asked], device=tokens.device)
    places = (tokens + padding[:, None]).clamp_min(0)
    dtype = torch.promote_types(model.dtype, torch.float32)
    held = [layer for layer in prefix.held if isinstance(layer, DynamicLayer)]
    if len(held) < model.n_layers:
        raise UnsupportedMethodError(
            f"`contribution` must suit family {model.family.name}; {model.name} is refused: {len(held)} of "
            f"{model.n_layers} layers keep keys and values of their own; use another one."
        )
    ids = torch.zeros_like(queries.index)
    for row, a in enumerate(asked):
        ids[row, len(queries.index[0]) - a.steps :] = a.prompt.ids[a.length - 1 :]

    @cache
    def places_in(heads: int, length: int, device: torch.device) -> Tensor:
        first = torch.arange(len(places) * heads, device=device).view(len(places), heads, 1) * length
        return first + places.to(device)[:, None]

    def laid_out(entries: Tensor | None) -> Tensor:
        assert entries is not None
        at = places_in(entries.shape[1], entries.shape[2], entries.device)
        return functional.embedding(at, entries.flatten(0, 2)).to(dtype)  # which copies whole entries

    return QueryBatch(
        tuple(laid_out(layer.keys) for layer in held),
        tuple(laid_out(layer.values) for layer in held),
        slots,
        tokens,
        ids,
        queries.embeds,
        queries.positions,
        queries.index,
    )


def _slots(
    asked: Sequence[Continued], text: TextSpan, modalities: Sequence[Modality]
) -> tuple[Tensor, dict[Modality, slice]]:
    """Give each token of each prompt but the last a slot: ``(items, slots)``, and the modalities' slots."""
    parts: list[list[Tensor]] = []
    for a in asked:
        before = torch.arange(len(a.prompt) - 1)
        own = [segment(a.alone, modality, text).cpu() for modality in modalities]
        rest = before[~torch.isin(before, torch.cat(own))]
        parts.append([*own, rest])
    widths = [max(len(item[part]) for item in parts) for part in range(len(modalities) + 1)]
    tokens = torch.full((len(asked), sum(widths)), -1)
    for row, item in enumerate(parts):
        start = 0
        for width, part in zip(widths, item, strict=True):
            tokens[row, start : start + len(part)] = part
            start += width
    edges = [0, *accumulate(widths)]
    return tokens, {m: slice(*pair) for m, pair in zip(modalities, pairwise(edges), strict=False)}
