"""The gate, and what is asked where it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Capability, ModelOrEngine, Prompt, Row
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.gate import may_conflict, target_alone
from trimtab.steering.learned_gate.views import N_FEATURES, read_features

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class LearnedGateChooser(Chooser):
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

    def asks(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> Sequence[Ask]:
        """Return each prompt as it is answered."""
        whole = [k for k, prompt in enumerate(prompts) if may_conflict(prompt, self.target)]
        read = read_features(model, [prompts[k] for k in whole], self.target)
        opens = chain.from_iterable(self.opening(part).tolist() for part in read)
        found = list(prompts)
        for k, probability in zip(whole, opens, strict=True):
            if probability >= self.threshold:
                found[k] = target_alone(prompts[k], self.target)
        return [Row(prompt) for prompt in found]

    def opening(self, features: Float[Tensor, "prompts features"]) -> Float[Tensor, " prompts"]:
        """Return the probability that the target alone is to be asked."""
        return (features @ self.weights.to(features.device) + self.bias).sigmoid()
