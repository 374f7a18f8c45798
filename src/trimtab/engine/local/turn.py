"""A prompt that somebody else feeds to the model: where it ends, whatever passes it is fed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.hooks import EditSession
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.models import Model


class Turn:
    """Prompts of one batch, and the edits of what is computed of them and of their answers.

    Which token a position is follows from what the cache holds and from the padding, not from the order of calls. So a
    prompt may come in chunks, with drafts of its answer behind it, or again and again.

    Attributes:
        mask: 1 at the prompts' tokens, 0 at padding, ``(rows, slots)``.
    """

    def __init__(
        self,
        model: Model,
        edits: tuple[Edit, ...],
        receipt: Receipt,
        mask: Tensor,
        *,
        ids: Tensor | None = None,
        prompts: Sequence[Encoded] = (),
    ) -> None:
        """Take prompts in.

        Args:
            model: The model.
            edits: What to do to each row.
            receipt: Where to count it.
            mask: 1 at the prompts' tokens, 0 at padding, ``(rows, slots)``.
            ids: Token ids, in the mask's shape; None if they are not known.
            prompts: The prompts themselves, if they are known; then ids need not be given.
        """
        self.mask = mask
        self._model, self._edits, self._receipt = model, edits, receipt
        self._ids, self._known = ids, list(prompts)
        self._session: EditSession | None = None
        self._counted: Tensor | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> Turn:
        """A copied cache goes on with the same prompt."""
        return self

    @property
    def slots(self) -> int:
        """Positions of the prompts, padding included."""
        return self.mask.shape[1]

    def reach(self) -> int:
        """Return the first slot that an edit touches; the number of slots if none does."""
        padding = (self.mask == 0).sum(-1).tolist()
        rows = list(zip(padding, self._prompts(), strict=True))
        return min((pad + edit.reach(own) for edit in self._edits for pad, own in rows), default=self.slots)

    def advance(self, rows: int, cached: int, length: int, capacity: int) -> EditSession:
        """Return the session, told of a pass over ``length`` slots that come after ``cached`` ones.

        Args:
            rows: Rows of the pass: those of the prompts, or a multiple of them where each is answered several times.
            cached: Slots that the cache holds.
            length: Slots of the pass.
            capacity: Keys that the pass's attention is over, if more than there are tokens (a static cache), or 0.

        Raises:
            UsageError: The rows are not those of the prompts.
        """
        if rows % len(self.mask) or (self._counted is not None and rows != len(self._counted)):
            raise UsageError(
                f"`model` with edits applied must be given all {len(self.mask)} rows of a prompt in every pass; got a "
                f"pass over {rows} rows; decode by greedy search, sampling, beams or drafts."
            )
        if self._session is None or self._counted is None:
            copies = rows // len(self.mask)
            receipts = defaultdict(lambda: self._receipt)
            prompts = [prompt for prompt in self._prompts() for _ in range(copies)]
            self._session = EditSession(self._model, [self._edits] * rows, prompts, receipts)
            self._counted = torch.full((rows,), -1, device=self.mask.device)
            self.mask = self.mask.repeat_interleave(copies, dim=0)
        later = self.mask.new_ones(rows, max(0, cached + length - self.slots))
        real = torch.cat([self.mask, later], dim=1)[:, : cached + length]
        keys = (real.cumsum(-1) - 1).masked_fill(real == 0, -1)
        index = keys[:, cached:]
        fresh = index > self._counted[:, None]
        self._counted = torch.maximum(self._counted, index.amax(-1))
        unused = keys.new_full((rows, max(0, capacity - keys.shape[1])), -1)
        self._session.move_to(index, torch.cat([keys, unused], dim=1), fresh)
        return self._session

    def _prompts(self) -> list[Encoded]:
        """Say of token ids what can be said without knowing the text: where media are, and the last token.

        Raises:
            UsageError: An edit names another span.
        """
        if self._known:
            return self._known
        named = {name for edit in self._edits for name in edit.spans}
        shown = {} if self._ids is None else self._model.placeholders
        known = {"last", *shown}
        if named - known:
            raise UsageError(
                f"`edits` at {', '.join(sorted(named - known))} must be applied through trimtab.run and "
                f"trimtab.generate, whose prompts tell where that is; a call of the model itself tells only of "
                f"{', '.join(sorted(known))}."
            )
        for row, own_mask in enumerate(self.mask.bool()):
            length = int(own_mask.sum())
            own = own_mask.new_zeros(length, dtype=torch.long) if self._ids is None else self._ids[row, own_mask]
            spans = {kind: (own == token).nonzero()[:, 0] for kind, token in shown.items()}
            blocks = None if self._ids is None else self._model.blocks(own)
            spans["last"] = torch.tensor([length - 1], device=own.device)
            self._known.append(Encoded(own, torch.empty(0, length, dtype=torch.long), spans, (), blocks))
        return self._known


def prompt_mask(mask: object, rows: int, slots: int, device: torch.device) -> Tensor:
    """Return the mask of prompts; all ones where none is given.

    Raises:
        UsageError: It is not two-dimensional, over other positions, or a row does not end in a token.
    """
    if mask is None:
        return torch.ones(rows, slots, device=device, dtype=torch.long)
    if not isinstance(mask, Tensor) or mask.shape != (rows, slots) or not mask[:, -1].all():
        raise UsageError(
            f"`attention_mask` of a model with edits applied must have the shape ({rows}, {slots}) and be padded on "
            f"the left, so that the last prompt token is the last position; got {_kind_of(mask)}; set "
            "tokenizer.padding_side = 'left'."
        )
    return mask.to(device).long()


def _kind_of(mask: object) -> str:
    return f"shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else f"a {type(mask).__name__}"
