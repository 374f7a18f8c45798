"""The branches of contrasts, decoded side by side: each has its own cache, and its own prefix where it shares none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engine.local.hooks import EditSession, edit_hooks
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.step import Step
from trimtab.models import Model


@dataclass(eq=False)
class _Lane:
    """Branches whose passes are made together.

    Attributes:
        session: Their edits.
        step: What feeds them their next token; None before the first.
        places: Where each is among all branches that go on, ``(rows,)``.
    """

    session: EditSession
    step: Step | None
    places: Tensor


class Branches:
    """The branches of some contrasts, in the order asked."""

    def __init__(self, model: Model, batches: Sequence[RowBatch]) -> None:
        """Make branches ready.

        Args:
            model: The model.
            batches: The branches; a batch's ``rows`` are their places among all.
        """
        self._model, self._batches = model, batches
        places = [torch.tensor(batch.rows, device=model.device) for batch in batches]
        sessions = [batch.session(model) for batch in batches]
        self._lanes = [_Lane(session, None, own) for session, own in zip(sessions, places, strict=True)]
        self._now: EditSession | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Keep the hooks of all branches on inside the block; each pass is edited as its own branches say."""
        sites = dict.fromkeys(site for lane in self._lanes for site in lane.session.sites)
        with edit_hooks(self._model, sites, lambda: self._now):
            yield

    def begin(self) -> Tensor:
        """Run the prompts; return the logits of the first answer token, ``(branches, vocabulary)``."""
        found = []
        for lane, batch in zip(self._lanes, self._batches, strict=True):
            self._now = lane.session
            tails = forward_tails(self._model, batch, lane.session, keep_cache=True)
            lane.step = Step(self._model, batch, lane.session, tails)
            found.append(self._model.logits(tails.hidden[:, -1]))
        return self._in_order(found)

    def advance(self, tokens: Tensor) -> Tensor:
        """Feed each branch its newest token, ``(branches,)``; return the logits of the next."""
        found = []
        for lane in self._lanes:
            assert lane.step is not None
            self._now = lane.session
            found.append(lane.step(tokens[lane.places]))
        return self._in_order(found)

    def narrow(self, kept: Tensor) -> None:
        """Go on with the branches where ``kept`` is true, ``(branches,)``."""
        number = kept.cumsum(0) - 1
        for lane in self._lanes:
            assert lane.step is not None
            own = kept[lane.places]
            lane.step.narrow(own.nonzero().flatten())
            lane.places = number[lane.places[own]]
        self._lanes = [lane for lane in self._lanes if len(lane.places)]

    def _in_order(self, logits: Sequence[Tensor]) -> Tensor:
        return torch.cat([*logits])[torch.cat([lane.places for lane in self._lanes]).argsort()]
