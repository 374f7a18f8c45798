"""Gradient times input: the answer's log probability, to first order, shared out among the input embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from trimtab.contribution.method import Question, Scores, in_batches
from trimtab.contribution.spans import TEXT_SPANS, TextSpan, segment
from trimtab.engine import Piece
from trimtab.engine.local.batch import collate
from trimtab.engine.local.follow import engine_drives
from trimtab.errors import UsageError
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.progress import Advance


@dataclass(frozen=True)
class GradientTimesInput:
    """Sum of gradient times input embedding over a modality's tokens (Simonyan et al. 2013, Shrikumar et al. 2017).

    The gradient is that of the log probability of the model's own first answer token.

    Attributes:
        text: What the text is; see ``MCS``.
    """

    name: ClassVar[str] = "gradient"

    text: TextSpan = "user_text"

    def __post_init__(self) -> None:
        if self.text not in TEXT_SPANS:
            raise UsageError(f"`text` of GradientTimesInput must be one of {', '.join(TEXT_SPANS)}; got {self.text!r}.")

    @property
    def seed(self) -> int:
        """Nothing here is random."""
        return 0

    def scores(self, model: Model, questions: Sequence[Question], advance: Advance | None = None) -> list[Scores]:
        """Score questions; see ``trimtab.contribution.method.Method``."""
        return in_batches(model, questions, lambda chosen: self._batch(model, chosen), advance)

    def _batch(self, model: Model, questions: Sequence[Question]) -> list[Scores]:
        batch = collate(model, [Piece(q.encoded, 0, len(q.encoded)) for q in questions])
        leaf = batch.embeds.to(torch.promote_types(model.dtype, torch.float32)).requires_grad_()
        with torch.enable_grad(), engine_drives(model):
            hidden = model.decode(leaf.to(model.dtype), batch.mask, batch.positions)[:, -1]
            log_p = model.lm_head(hidden).double().log_softmax(-1)
            (gradient,) = torch.autograd.grad(log_p.amax(-1).sum(), leaf)
        worth = (gradient * leaf.detach()).sum(-1).cpu()
        found = []
        for row, question in zip(worth, questions, strict=True):
            own = row[len(row) - len(question.encoded) :]
            found.append(Scores.of(*(float(own[segment(question.encoded, m, self.text).cpu()].sum()) for m in PAIR)))
        return found
