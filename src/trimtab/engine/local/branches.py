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
        step: What feeds them their next token.
        places: Where each is among all branches that go on, ``(rows,)``.
    """

    session: EditSession
    step: Step
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
        self._sessions = [batch.session(model) for batch in batches]
        self._lanes: list[_Lane] = []
        self._now: EditSession | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Keep the hooks of all branches on inside the block; each pass is edited as its own branches say."""
        sites = dict.fromkeys(site for session in self._sessions for site in session.sites)
        with edit_hooks(self._model, sites, lambda: self._now):
            yield

    def begin(self) -> Tensor:
        """Run the prompts; return the logits of the first answer token, ``(branches, vocabulary)``."""
        found = []
        for batch, session in zip(self._batches, self._sessions, strict=True):
            self._now = session
            tails = forward_tails(self._model, batch, session, keep_cache=True)
            places = torch.tensor(batch.rows, device=self._model.device)
            self._lanes.append(_Lane(session, Step(self._model, batch, session, tails), places))
            found.append(self._model.logits(tails.hidden[:, -1]))
        return self._in_order(found)

    def advance(self, tokens: Tensor) -> Tensor:
        """Feed each branch its newest token, ``(branches,)``; return the logits of the next."""
        found = []
        for lane in self._lanes:
            self._now = lane.session
            found.append(lane.step(tokens[lane.places]))
        return self._in_order(found)

    def narrow(self, kept: Tensor) -> None:
        """Go on with the branches where ``kept`` is true, ``(branches,)``."""
        number = kept.cumsum(0) - 1
        for lane in self._lanes:
            own = kept[lane.places]
            lane.step.narrow(own.nonzero().flatten())
            lane.places = number[lane.places[own]]
        self._lanes = [lane for lane in self._lanes if len(lane.places)]

    def _in_order(self, logits: Sequence[Tensor]) -> Tensor:
        return torch.cat([*logits])[torch.cat([lane.places for lane in self._lanes]).argsort()]
