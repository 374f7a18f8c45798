"""Dropping the other modalities, behind a gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.engine import Capability, ModelOrEngine, Prompt, Read, Readings, Row
from trimtab.fields import Share
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import register_chooser
from trimtab.steering.gate import MIN_CONFIDENCE, conflicts_among, sides_of, target_alone
from trimtab.steering.looking import LookingChooser
from trimtab.steering.method import Parts, UntrainedMethod, register

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class GatedDropChooser(LookingChooser):
    """The target alone where the model sees a conflict, else the plain prompt.

    Attributes:
        target: The modality to follow.
        min_confidence: See ``sees_conflict``.
    """

    kind: ClassVar[str] = "gated_drop"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.LOGITS})

    target: Modality
    min_confidence: float

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return both sides of a prompt that may be a conflict."""
        return sides_of(prompt, self.target)

    def read(self, artifact: Artifact) -> Read:
        """Return the first answer token's logits."""
        return Read()

    def asks_seen(self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float) -> list[Ask]:
        """Return each prompt as it is answered."""
        _, fires = conflicts_among(seen.logits, len(prompts), self.min_confidence)
        return [Row(target_alone(p, self.target) if on else p) for p, on in zip(prompts, fires.tolist(), strict=True)]


@register
@dataclass(frozen=True)
class GatedDrop(UntrainedMethod):
    """Leave the other modalities out where the model sees a conflict: the baseline of what acts on conflicts alone.

    The model is asked with the target alone, and with the others alone. Where it is sure of an answer both times, the
    item is answered from the target alone; every other item is asked as it is. No vector, no training, no labels.

    Attributes:
        target: The modality to follow.
        min_confidence: Each side alone must give its best answer at least this probability; 0 drops always where there
            is the target and something to drop.
    """

    name: ClassVar[str] = "gated_drop"
    title: ClassVar[str] = "gated drop"
    colour: ClassVar[str] = "#666633"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "drop")
    changes_prompt: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = GatedDropChooser.needs

    min_confidence: Share = MIN_CONFIDENCE

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the gate."""
        return {"chooser": GatedDropChooser(self.target, self.min_confidence)}
