"""Edits in force for a block of code, for our engine and for the model's own ``generate`` alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trimtab.engine.checks import check_edits
from trimtab.engine.edits import Edit
from trimtab.engine.local.exclusive import in_force
from trimtab.engine.local.follow import Follower, Scope
from trimtab.engine.local.native_generate import told_prompts
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


@contextmanager
def applied(model: Model, edits: Sequence[Edit]) -> Iterator[Receipt]:
    """Apply edits to every forward pass inside the block.

    ``trimtab.run`` and ``trimtab.generate`` honour the edits, and so do ``model.hf(...)`` and
    ``model.hf.generate(...)``, with chunked prompts, drafts, beams, static and continued caches too. Blocks nest: an
    inner block's edits come after the outer ones'. Other threads wait until the block ends; see docs/decoding.md.

    Args:
        model: The model.
        edits: The edits, applied to every row.

    Yields:
        The receipt, filled while the block runs. A token that is computed twice is counted once.

    Raises:
        UsageError: An edit does not fit the model, or the model is called in a way that cannot be followed.
        NothingEditedError: The block ended without an error, yet an edit touched no position.
    """
    check_edits(model, edits, "applied")
    with in_force(model):
        receipt = Receipt()
        follower = Follower(model, tuple(edits), receipt)
        scope = Scope(tuple(edits), receipt, follower)
        model.ambient.append(scope)
        try:
            with follower.attached(), told_prompts(model):
                yield receipt
        finally:
            model.ambient.remove(scope)
    for edit in edits:
        for layer in edit.at_layers(model):
            receipt.entry(edit.name, layer)
    receipt.require_hits()
