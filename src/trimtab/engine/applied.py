"""Edits in force for a block of code, for our engine and for the model's own ``generate`` alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit, span_names
from trimtab.engine.encode import Encoded
from trimtab.engine.hooks import EditSession, edit_hooks, edited_sites
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.models import Model


@contextmanager
def applied(model: Model, edits: Sequence[Edit]) -> Iterator[Receipt]:
    """Apply edits to every forward pass inside the block.

    ``trimtab.run`` and ``trimtab.generate`` honour the edits, and so do ``model.hf(...)`` and
    ``model.hf.generate(...)``. Blocks nest: an inner block's edits come after the outer ones'.

    Args:
        model: The model.
        edits: The edits, applied to every row.

    Yields:
        The receipt, filled while the block runs.

    Raises:
        UsageError: An edit does not fit the model.
        NothingEditedError: The block ended without an error, yet an edit touched no position.
    """
    for edit in edits:
        edit.check(model)
    receipt = Receipt()
    scope = Scope(tuple(edits), receipt)
    model.ambient.append(scope)
    try:
        with follow(model, scope):
            yield receipt
    finally:
        model.ambient.remove(scope)
    for edit in edits:
        for layer in edit.at_layers(model):
            receipt.entry(edit.name, layer)
    receipt.require_hits()


@dataclass(frozen=True, eq=False)
class Scope:
    """The edits of one ``with applied(...)`` block and the receipt they fill."""

    edits: tuple[Edit, ...]
    receipt: Receipt


@contextmanager
def engine_drives(model: Model) -> Iterator[None]:
    """Silence the block-wide hooks while the engine runs: it applies the same edits itself, row by row."""
    before = model.engine_drives
    model.engine_drives = True
    try:
        yield
    finally:
        model.engine_drives = before


@contextmanager
def follow(model: Model, scope: Scope, prompt: Encoded | None = None) -> Iterator[None]:
    """Follow the model's own forward passes and edit them.

    Args:
        model: The model.
        scope: The edits.
        prompt: What the passes are about, which tells where its spans are; the plain reference gives it, and then
            the edits are made even while the engine drives.
    """
    follower = _Follower(model, scope, prompt)
    handle = model.hf.register_forward_pre_hook(follower.before, with_kwargs=True)
    try:
        with edit_hooks(model, edited_sites(model, scope.edits), lambda: follower.current):
            yield
    finally:
        handle.remove()


class _Follower:
    """Works out which token each position is when somebody else calls the model."""

    def __init__(self, model: Model, scope: Scope, prompt: Encoded | None) -> None:
        self.model = model
        self.scope = scope
        self.prompt = prompt
        self.session: EditSession | None = None
        self.generated = 0

    @property
    def current(self) -> EditSession | None:
        """The session that edits right now; None while the engine makes these edits itself."""
        return None if self.model.engine_drives and self.prompt is None else self.session

    def before(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Note the positions of the forward pass about to start."""
        if self.model.engine_drives and self.prompt is None:
            return
        ids = kwargs.get("input_ids", args[0] if args else None)
        tokens = kwargs["inputs_embeds"] if ids is None else ids
        rows, length = tokens.shape[:2]
        cache = kwargs.get("past_key_values")
        cached = 0 if cache is None else cache.get_seq_length()
        if cached == 0 or self.session is None:
            mask = _padding_mask(kwargs.get("attention_mask"), rows, length, tokens.device)
            prompts = [self.prompt] if self.prompt is not None else self._prompts(ids, mask)
            receipts = defaultdict(lambda: self.scope.receipt)
            self.session = EditSession(self.model, [self.scope.edits] * rows, prompts, receipts)
            self.session.advance((mask.cumsum(-1) - 1).masked_fill(mask == 0, -1))
            self.generated = 0
        else:
            steps = torch.arange(length, device=tokens.device) + self.generated
            self.session.advance(self.session.place.lengths[:, None] + steps)
            self.generated += length

    def _prompts(self, ids: Tensor | None, mask: Tensor) -> list[Encoded]:
        """Say of token ids what can be said without knowing the text: where pictures are, and the last token.

        Raises:
            UsageError: An edit names another span.
        """
        named = {name for edit in self.scope.edits for name in span_names(edit)}
        known = {"last"} if ids is None else {"last", "image"}
        if named - known:
            raise UsageError(
                f"`edits` at {', '.join(sorted(named - known))} must be applied through trimtab.run and "
                f"trimtab.generate, whose prompts tell where that is; a call of the model itself tells only of "
                f"{', '.join(sorted(known))}."
            )
        prompts = []
        for row, own_mask in enumerate(mask.bool()):
            length = int(own_mask.sum())
            own = own_mask.new_zeros(length, dtype=torch.long) if ids is None else ids[row, own_mask]
            image = (own == self.model.image_token).nonzero()[:, 0]
            spans = {"image": image, "last": torch.tensor([length - 1], device=mask.device)}
            prompts.append(Encoded(own, torch.empty(0, length), spans, ()))
        return prompts


def _padding_mask(mask: Tensor | None, rows: int, length: int, device: torch.device) -> Tensor:
    if mask is None:
        return torch.ones(rows, length, device=device, dtype=torch.long)
    if mask.ndim != 2 or not mask[:, -1].all():
        raise UsageError(
            "`attention_mask` of a model with edits applied must be two-dimensional and padded on the left, so that "
            f"the last prompt token is the last position; got shape {tuple(mask.shape)}; set "
            "tokenizer.padding_side = 'left'."
        )
    return mask.long()
