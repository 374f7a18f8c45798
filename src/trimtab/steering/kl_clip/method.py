"""KL-clipped strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import Capability, Predictor, Prompt, Read, Readings, Row
from trimtab.fields import Portion, Positive
from trimtab.steering.adaptive import AdaptiveMethod
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.looking import StrengthChooser
from trimtab.steering.method import register
from trimtab.steering.training_set import TrainingSet


@register_chooser
@dataclass(frozen=True, eq=False)
class KLClipChooser(StrengthChooser):
    """``min(KL(plain || steered at the trial strength), trial)`` over the tokens likely under either.

    Attributes:
        trial: Strength of the trial, and the most that comes out.
        top_p: Share of the probability whose tokens count.
    """

    kind: ClassVar[str] = "kl_clip"
    needs: ClassVar[frozenset[Capability]] = StrengthChooser.needs | {Capability.LOGITS}

    trial: float
    top_p: float

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return the plain prompt, and the prompt at the trial strength."""
        return Row(prompt), Row(prompt, artifact.edits(self.trial))

    def read(self, artifact: Artifact) -> Read:
        """Return the first answer token's logits."""
        return Read()

    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Compare the answers."""
        scores = seen.logits.log_softmax(-1)
        plain, steered = scores[::2], scores[1::2]
        counted = _likely(plain, self.top_p) | _likely(steered, self.top_p)
        plain, steered = (part.masked_fill(~counted, -1e9).log_softmax(-1) for part in (plain, steered))
        return kl(plain, steered).clamp(0, self.trial)


def _likely(scores: Tensor, top_p: float) -> Tensor:
    """Mark the fewest tokens that hold ``top_p`` of the probability."""
    order = scores.argsort(-1, descending=True)
    before = scores.gather(-1, order).exp().cumsum(-1).roll(1, -1)
    before[:, 0] = 0
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order, before < top_p)


@register
@dataclass(frozen=True)
class KLClip(AdaptiveMethod):
    """Strength by how far steering moves the answer (Dynamic Activation Composition, arXiv 2406.17563).

    The paper sets the strength anew at each generated token by three passes; here it is set once, at the first
    answer token, by two. See ``AdaptiveMethod`` for the other attributes.

    Attributes:
        trial: Strength of the trial run and the largest that comes out, before the artifact's own strength multiplies
            it; the paper's 2.
        top_p: Share of the probability whose tokens count; the released code's 0.95.
    """

    name: ClassVar[str] = "kl_clip"
    needs: ClassVar[frozenset[Capability]] = AdaptiveMethod.needs | {Capability.LOGITS}
    title: ClassVar[str] = "KL-clipped"
    colour: ClassVar[str] = "#44AA99"

    trial: Positive = 2.0
    top_p: Portion = 0.95

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Learn nothing."""
        return KLClipChooser(self.trial, self.top_p), {}
