"""The one door to a model's inside: caches, batches, gradients, memory, attention, hooks.

What is above the engine imports ``trimtab.engine`` and, for work that cannot be done from afar, this module. It begins
by ``opened(model, Capability..., owner=...)``, which hands out the model or says what its engine lacks.
"""

from __future__ import annotations

from trimtab.engine.local.batch import Batch, Piece, collate
from trimtab.engine.local.batching import over_batches
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import require_finite
from trimtab.engine.local.foreseen import Foreseen, foreseen
from trimtab.engine.local.hooks import EditSession
from trimtab.engine.local.memory import first_guess, halving, out_of_memory, release, rows_within, too_large
from trimtab.engine.local.passes import Passes, counted
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.local.prefix import Prefix, prefill
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.scores import score_changes
from trimtab.engine.local.serving import opened
from trimtab.engine.local.session import batch_size_of, engine_drives, open_blocks
from trimtab.engine.local.switching import attention, decoder_attention
from trimtab.engine.local.work import prepare

__all__ = [
    "Batch",
    "EditSession",
    "Foreseen",
    "Passes",
    "Piece",
    "Place",
    "Prefix",
    "RowBatch",
    "TokenSets",
    "attention",
    "batch_size_of",
    "collate",
    "counted",
    "decoder_attention",
    "engine_drives",
    "exclusive",
    "first_guess",
    "foreseen",
    "forward_tails",
    "halving",
    "open_blocks",
    "opened",
    "out_of_memory",
    "over_batches",
    "prefill",
    "prepare",
    "release",
    "require_finite",
    "rows_within",
    "score_changes",
    "too_large",
]
