"""Edits in force for a block of code, for our engine and for the model's own ``generate`` alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit
from trimtab.engine.hooks import EditSession, Place, layer_hooks
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
        receipt.entry(*edit.label(model))
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
def follow(model: Model, scope: Scope, always: bool = False) -> Iterator[None]:
    """Follow the model's own forward passes and edit its layers' outputs.

    Args:
        model: The model.
        scope: The edits.
        always: Edit even while the engine drives; the plain reference asks for that.
    """
    follower = _Follower(model, scope, always)
    layers = sorted({e.layer % model.n_layers for e in scope.edits})
    handle = model.hf.register_forward_pre_hook(follower.before, with_kwargs=True)
    try:
        with layer_hooks(model, layers, follower.edit):
            yield
    finally:
        handle.remove()


class _Follower:
    """Works out which token each position is when somebody else calls the model."""

    def __init__(self, model: Model, scope: Scope, always: bool) -> None:
        self.model = model
        self.scope = scope
        self.always = always
        self.session: EditSession | None = None
        self.generated = 0

    @property
    def muted(self) -> bool:
        """Whether the engine makes these edits itself right now."""
        return self.model.engine_drives and not self.always

    def before(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Note the positions of the forward pass about to start."""
        if self.muted:
            return
        ids = kwargs.get("input_ids", args[0] if args else None)
        tokens = kwargs["inputs_embeds"] if ids is None else ids
        rows, length = tokens.shape[:2]
        cache = kwargs.get("past_key_values")
        cached = 0 if cache is None else cache.get_seq_length()
        if cached == 0 or self.session is None:
            mask = _padding_mask(kwargs.get("attention_mask"), rows, length, tokens.device)
            lengths = mask.sum(-1)
            self.session = EditSession(self.model, [self.scope.edits] * rows, lengths, self.scope.receipt)
            self.session.place = Place((mask.cumsum(-1) - 1).masked_fill(mask == 0, -1), lengths)
            self.generated = 0
        else:
            lengths = self.session.place.lengths
            steps = torch.arange(length, device=tokens.device) + self.generated
            self.session.place = Place(lengths[:, None] + steps, lengths)
            self.generated += length

    def edit(self, layer: int, hidden: Tensor) -> Tensor | None:
        """Edit a layer's output, unless the engine does it."""
        if self.muted or self.session is None:
            return None
        return self.session.edit(layer, hidden)


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
