"""Gradient times input: the answer's log probability, to first order, shared out among the input embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from trimtab.contribution.batch import blocks_alone
from trimtab.contribution.method import Case, in_batches
from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import TextSpan, segment
from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import Piece, collate, engine_drives, opened
from trimtab.fields import check_fields
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
        check_fields(self)

    @property
    def queried(self) -> int:
        """None: whole prompts are run."""
        return 0

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases; see ``trimtab.contribution.method.Method``."""
        model = opened(model, Capability.GRADIENTS, owner="GradientTimesInput")
        return in_batches(model, cases, lambda chosen: self._batch(model, chosen), advance)

    def _batch(self, model: Model, cases: Sequence[Case]) -> list[Scores]:
        batch = collate(model, [Piece(case.encoded, 0, len(case.encoded)) for case in cases])
        leaf = batch.embeds.to(torch.promote_types(model.dtype, torch.float32)).requires_grad_()
        with torch.enable_grad(), engine_drives(model):
            hidden = model.decode(leaf.to(model.dtype), batch.mask, batch.positions, extras=blocks_alone(batch))[:, -1]
            log_p = model.logits(hidden).double().log_softmax(-1)
            (gradient,) = torch.autograd.grad(log_p.amax(-1).sum(), leaf)
        worth = (gradient * leaf.detach()).sum(-1).cpu()
        return [self._score(row[len(row) - len(case.encoded) :], case) for row, case in zip(worth, cases, strict=True)]

    def _score(self, worth: Tensor, case: Case) -> Scores:
        """Sum the worth of a case's tokens, ``(tokens,)``, by modality."""
        return Scores.of({m: float(worth[segment(case.encoded, m, self.text).cpu()].sum()) for m in case.modalities})
