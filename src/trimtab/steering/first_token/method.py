"""The target's own first token, put into the answer to the full prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.engine import AddVector, Capability, Edit, ModelOrEngine, Prompt, Read, Row, run
from trimtab.fields import Share
from trimtab.modalities import Modality
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.gate import MIN_CONFIDENCE, find_conflicts, may_conflict, target_alone
from trimtab.steering.method import Parts, UntrainedMethod, register

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class FirstTokenChooser(Chooser):
    """The last layer's output at the last prompt token becomes that of the target alone.

    Nothing behind the last layer looks at other positions, so the first answer token is exactly the target's own, and
    the cached keys and values, from which the answer goes on, are those of the full prompt.

    Attributes:
        target: The modality to follow.
        min_confidence: See ``sees_conflict``; None acts on every prompt that has the target and another modality.
    """

    kind: ClassVar[str] = "first_token"
    needs: ClassVar[frozenset[Capability]] = Chooser.needs | {Capability.LOGITS}

    target: Modality
    min_confidence: float | None

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return the way from the plain state to that of the target alone, in full whatever the strength."""
        found: list[tuple[Edit, ...]] = [()] * len(prompts)
        places = self._places(model, prompts)
        if not places:
            return found
        last = model.n_layers - 1
        rows = [*(Row(target_alone(prompts[k], self.target)) for k in places), *(Row(prompts[k]) for k in places)]
        alone, plain = run(model, rows, Read(logits=False, hidden=(last,))).hidden[last].split(len(places))
        for k, move in zip(places, alone - plain, strict=True):
            found[k] = (AddVector(last, move, 1.0, "last_prompt"),)
        return found

    def _places(self, model: ModelOrEngine, prompts: Sequence[Prompt]) -> list[int]:
        if self.min_confidence is None:
            return [k for k, prompt in enumerate(prompts) if may_conflict(prompt, self.target)]
        found = find_conflicts(model, prompts, self.target, self.min_confidence)
        return [k for places, _ in found for k in places]


@register
@dataclass(frozen=True)
class FirstToken(UntrainedMethod):
    """Begin with the first token that the target alone gives, and go on with the full prompt.

    A baseline for whatever looks at the first answer token: in a choice of letters, and wherever one token decides, it
    is all that steering can do.

    Attributes:
        target: The modality to follow.
        gated: Whether to act only where the model sees a conflict, as ``gated_drop`` does.
        min_confidence: With a gate, each side alone must give its best answer at least this probability.
    """

    name: ClassVar[str] = "first_token"
    title: ClassVar[str] = "first token"
    colour: ClassVar[str] = "#B07AA1"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "gated_drop")
    needs: ClassVar[frozenset[Capability]] = FirstTokenChooser.needs

    gated: bool = True
    min_confidence: Share = MIN_CONFIDENCE

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the rule."""
        return {"chooser": FirstTokenChooser(self.target, self.min_confidence if self.gated else None)}
