"""The gate, and what is asked where it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Capability, Prompt, Read, Readings, Row
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import register_chooser
from trimtab.steering.gate import may_conflict, target_alone
from trimtab.steering.learned_gate.views import N_FEATURES, features, scores_of_views, views_of
from trimtab.steering.looking import LookingChooser

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class LearnedGateChooser(LookingChooser):
    """The target alone where the gate opens, else the plain prompt.

    Attributes:
        target: The modality to follow.
        weights: Of the features of ``views.features``, ``(features,)``.
        bias: Added to the weighted sum.
        threshold: The gate opens from this probability on.
    """

    kind: ClassVar[str] = "learned_gate"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS})
    shapes: ClassVar[Mapping[str, tuple[int, ...]]] = {"weights": (N_FEATURES,)}

    target: Modality
    weights: Float[Tensor, " features"]
    bias: float
    threshold: float

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return every view of a prompt that may be a conflict."""
        return tuple(map(Row, views_of(prompt, self.target))) if may_conflict(prompt, self.target) else ()

    def read(self, artifact: Artifact) -> Read:
        """Return the first answer token's logits."""
        return Read()

    def asks_seen(self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float) -> list[Ask]:
        """Return each prompt as it is answered."""
        opens = (self.opening(features(scores_of_views(seen.logits))) >= self.threshold).tolist()
        return [Row(target_alone(p, self.target) if on else p) for p, on in zip(prompts, opens, strict=True)]

    def opening(self, features: Float[Tensor, "prompts features"]) -> Float[Tensor, " prompts"]:
        """Return the probability that the target alone is to be asked."""
        return (features @ self.weights.to(features.device) + self.bias).sigmoid()
