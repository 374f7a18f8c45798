"""How much attention the last prompt token pays to each modality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from trimtab.contribution.batch import Continued, QueryBatch, query_batch
from trimtab.contribution.method import Case, in_batches
from trimtab.contribution.scores import Scores
from trimtab.contribution.shared_prefix import SharedPrefix
from trimtab.contribution.spans import TextSpan
from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import opened
from trimtab.fields import check_fields
from trimtab.models import Model
from trimtab.progress import Advance


@dataclass(frozen=True)
class AttentionMass:
    """Attention of the last prompt token to a modality's tokens, averaged over layers and heads.

    It says where the model looks, not what it does with what it sees.

    Attributes:
        text: What the text is; see ``MCS``.
    """

    name: ClassVar[str] = "attention"

    text: TextSpan = "user_text"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def queried(self) -> int:
        """The prompt's last token."""
        return 1

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases; see ``trimtab.contribution.method.Method``."""
        model = opened(model, Capability.CACHE, owner="AttentionMass")
        model.require("contribution", sees=max(len(case.encoded) for case in cases))
        return in_batches(model, cases, lambda chosen: self._batch(model, chosen), advance)

    @torch.no_grad()
    def _batch(self, model: Model, cases: Sequence[Case]) -> list[Scores]:
        modalities = cases[0].modalities
        batch, prefix = _answered(model, cases, self.text)
        masses = [
            torch.stack([t.attention[..., batch.slots[m]].sum(-1).mean((1, 2, 3)).cpu() for t in prefix.traces]).mean(0)
            for m in modalities
        ]
        return [Scores.of(dict(zip(modalities, own, strict=True))) for own in torch.stack(masses, dim=1).tolist()]


def _answered(model: Model, cases: Sequence[Case], text: TextSpan) -> tuple[QueryBatch, SharedPrefix]:
    """Run the last token of each case over the keys of the others, and keep what its attention did."""
    batch = query_batch(model, [Continued.of(case.encoded) for case in cases], text, cases[0].modalities)
    prefix = SharedPrefix(batch.keys, batch.values, batch.allowed)
    prefix.answer(model, batch.ids, batch.embeds, batch.positions)
    return batch, prefix
