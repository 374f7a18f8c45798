"""Attention masks as one picture, whatever form the attention implementation takes them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.masking_utils import eager_mask

from trimtab.engine.local.place import Place
from trimtab.errors import UsageError
from trimtab.models import Model

EDITABLE = ("sdpa", "eager")
"""Attention implementations that take a mask for each query and key; flash attention takes none."""

SHARED = "trimtab_shared"
"""Name under which transformers knows attention over prefixes that rows share; its masks are those of ``sdpa``."""

SCORES = "trimtab_scores"
"""Name under which transformers knows the engine's own attention, in force while scores are edited; as ``eager``."""


@dataclass(frozen=True, eq=False)
class Masks:
    """A mask over queries and keys of which only the part of some queries is ever made.

    Attributes:
        queries: How many queries there are.
        offset: Place of the first of them.
        given: What else transformers makes the mask of.
    """

    queries: int
    offset: Any
    given: Mapping[str, Any]

    def of(self, queries: slice) -> Tensor:
        """Return what is added to the scores of some queries, ``(rows, 1, queries, keys)``."""
        return eager_mask(q_length=queries.stop - queries.start, q_offset=self.offset + queries.start, **self.given)

    @property
    def whole(self) -> Tensor:
        """The mask of all queries."""
        return self.of(slice(0, self.queries))


def seen_keys(mask: Tensor | None, place: Place) -> Tensor:
    """Return which keys each query sees, ``(rows, heads or 1, queries, keys)``.

    Args:
        mask: The layer's own mask: True or 0 where a query sees a key; None stands for the causal one, which
            ``sdpa`` is given by a flag. Slots of a static cache that hold nothing yet are no keys.
        place: Which token each position is.

    Raises:
        UsageError: The mask is not one over queries and all keys.
    """
    rows, queries, keys = *place.index.shape, place.keys.shape[1]
    if mask is None:
        keys_of = place.keys[:, None, None]
        return (keys_of >= 0) & (keys_of <= place.index[:, None, :, None])
    if mask.ndim != 4 or mask.shape[-2:] != (queries, keys):
        raise UsageError(
            f"`attention_mask` of a model with blocked attention must be over {queries} queries and {keys} keys; got "
            f"shape {tuple(mask.shape)}; use a dynamic cache and the attention 'sdpa' or 'eager'."
        )
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return seen.expand(rows, -1, -1, -1)


def with_mask(model: Model, own: Tensor | None, seen: Tensor) -> Tensor:
    """Return the mask that lets queries see the keys ``seen``, in the form the attention implementation takes.

    ``eager`` adds its mask to the scores, so a boolean one would silently do something else.

    Raises:
        UsageError: The implementation takes no such mask.
    """
    implementation = model.text_config._attn_implementation
    if implementation not in (*EDITABLE, SCORES, SHARED):
        raise UsageError(
            f"`attention` of {model.name} must be one of {', '.join(EDITABLE)} to block attention edges; got "
            f"{implementation!r}; load the model with attention='sdpa'."
        )
    if implementation in ("sdpa", SHARED) and (own is None or own.dtype == torch.bool):
        return seen
    dtype = model.dtype if own is None else own.dtype
    hidden = torch.zeros((), dtype=dtype, device=seen.device).expand(seen.shape)
    return hidden.masked_fill(~seen, torch.finfo(dtype).min)
