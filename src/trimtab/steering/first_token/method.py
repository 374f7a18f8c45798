"""The target's own first token, put into the answer to the full prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trimtab.engine import AddVector, Capability, ModelOrEngine, Prompt, Read, Readings, Row
from trimtab.fields import Share
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.gate import MIN_CONFIDENCE, conflicts_among, sides_of
from trimtab.steering.looking import LookingChooser
from trimtab.steering.method import Parts, UntrainedMethod, register

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class FirstTokenChooser(LookingChooser):
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

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return both sides of a prompt that may be a conflict, the target's first, and the prompt."""
        sides = sides_of(prompt, self.target)
        return (*(sides if self.min_confidence is not None else sides[:1]), Row(prompt)) if sides else ()

    def read(self, artifact: Artifact) -> Read:
        """Return the first answer token's logits for the gate, and the last layer's output."""
        return Read(logits=self.min_confidence is not None, hidden=(-1,))

    def asks_seen(self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float) -> list[Ask]:
        """Go from the plain state to that of the target alone where the gate fires, in full whatever the strength."""
        states = seen.hidden[-1].unflatten(0, (len(prompts), -1))
        moves, fires = states[:, 0] - states[:, -1], [True] * len(prompts)
        if self.min_confidence is not None:
            fires = conflicts_among(seen.logits, len(prompts), self.min_confidence)[1].tolist()
        return [
            Row(prompt, (AddVector(-1, move, 1.0, "last_prompt"),) if on else ())
            for prompt, move, on in zip(prompts, moves, fires, strict=True)
        ]


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
