"""Edits in force for a block of code, for our engine and for the model's own ``generate`` alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trimtab.engine.edits import Edit
from trimtab.engine.local.exclusive import in_force
from trimtab.engine.local.follow import Follower
from trimtab.engine.local.native_generate import told_prompts
from trimtab.engine.local.session import Scope, Session
from trimtab.engine.local.work import require_sites
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


@contextmanager
def applied(model: Model, edits: Sequence[Edit]) -> Iterator[Receipt]:
    """Apply edits, which fit the model, to every forward pass inside the block; see ``trimtab.applied``."""
    require_sites(model, edits)
    with in_force(model):
        receipt = Receipt()
        follower = Follower(model, tuple(edits), receipt)
        scope, session = Scope(tuple(edits), receipt, follower.told), Session.of(model)
        session.ambient.append(scope)
        try:
            with follower.attached(), told_prompts(model):
                yield receipt
        finally:
            session.ambient.remove(scope)
    for edit in edits:
        for layer in edit.at_layers(model):
            receipt.entry(edit.name, layer)
    receipt.require_hits()
