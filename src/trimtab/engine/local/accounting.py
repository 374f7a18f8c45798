"""Adding a finished batch's work up."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.engine.cost import Cost
from trimtab.engine.local.row_batch import RowBatch
from trimtab.engine.local.session import Session
from trimtab.engine.local.work import Work
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


def account(model: Model, work: Sequence[Work], batch: RowBatch, receipt: Receipt, cost: Cost) -> None:
    """Add a finished batch's receipts and work to the totals; surrounding blocks get their own edits' receipts."""
    surrounding = [scope.receipt for scope in Session.of(model).ambient for _ in scope.edits]
    for order, part in batch.receipts.items():
        (surrounding[order] if order < len(surrounding) else receipt).add(part)
    cost.rows += len(batch.rows)
    cost.passes += batch.passes
    cost.tokens += batch.prefilled + sum(t.end - t.start for t in batch.tails)
    cost.naive_tokens += sum(len(work[r].prompt) for r in batch.rows)
