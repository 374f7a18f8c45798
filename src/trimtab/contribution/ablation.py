"""What the answer loses when a modality is spoilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from trimtab.contribution.divergence import divergence
from trimtab.contribution.method import Case, answers_in_chunks
from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import TextSpan
from trimtab.contribution.spoiling import spoilt
from trimtab.engine import ModelOrEngine, Prompt
from trimtab.fields import Count, check_fields
from trimtab.media import Spoilt
from trimtab.modalities import Modality
from trimtab.progress import Advance


@dataclass(frozen=True)
class Ablation:
    """KL divergence of the answer without a modality from the answer with it.

    The text is the context alone, as for ``Shapley``.

    Attributes:
        kind: ``"blank"``: a grey picture, silence, no context. ``"shuffle"``: the picture's tiles, the sound's pieces,
            the context's words in another order. ``"noise"``: random pixels, samples, letters. Sizes stay.
        draws: How many random versions to average over; a blank has one.
        seed: Seed of the random versions.
    """

    name: ClassVar[str] = "ablation"

    kind: Spoilt = "blank"
    draws: Count = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def text(self) -> TextSpan:
        """The text is the context alone."""
        return "context"

    @property
    def queried(self) -> int:
        """None: prompts are changed."""
        return 0

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases; see ``trimtab.contribution.method.Method``."""
        modalities, draws = cases[0].modalities, 1 if self.kind == "blank" else self.draws
        versions = (
            [case.encoded, *(self._spoilt(case, m, number) for m in modalities for number in range(draws))]
            for case in cases
        )
        return [_score(modalities, logits) for logits in answers_in_chunks(model, versions, advance)]

    def _spoilt(self, case: Case, modality: Modality, number: int) -> Prompt:
        return spoilt(case.prompt, modality, self.kind, f"{self.seed}/{modality}/{number}")


def _score(modalities: Sequence[Modality], logits: Tensor) -> Scores:
    effects = divergence("kl", logits[:1].expand(len(logits) - 1, -1), logits[1:])
    means = effects.view(len(modalities), -1).mean(1).tolist()
    return Scores.of(dict(zip(modalities, means, strict=True)))
