"""What is asked of the model, in parts that have names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from PIL.Image import Image

from trimtab.errors import UsageError
from trimtab.fields import call_explained, check_fields
from trimtab.media import Pictures
from trimtab.models import Counterfactual

SPANS = ("image", "context", "question", "instruction", "last")
"""Names of the token positions a prompt knows; ``last`` is the final prompt token."""

OPEN_REQUEST = "Please directly answer the question."
"""How MC2 asks for an open answer (arXiv 2505.20977, released prompts)."""

Placement = Literal["before_question", "after_question"]


@call_explained
@dataclass(frozen=True, eq=False)
class Prompt:
    """One user turn: pictures first, then context, instruction and question, each on its own line.

    The order and wording are MC2's (arXiv 2505.20977); AMPS appends its instruction after the question instead
    (``placement="after_question"``).

    Attributes:
        question: The question.
        images: Pictures, in order: one or several of a path, bytes, a PIL image, a numpy array or the ``image`` of an
            item. They are opened at once, and held as upright RGB pictures (see ``trimtab.media``).
        context: A text passage, introduced by ``Text context:``.
        instruction: A sentence that names the modality to follow.
        placement: Where the instruction stands.
        choices: Answer options, lettered A, B, ...; the model is asked for a letter.
        request: Closing sentence of an open question.
        image_counterfactual: Show the pictures with their patches weighted by a changed map of the vision tower's
            attention (CausalMM, arXiv 2410.04780); None shows them as they are.
    """

    question: str
    images: Pictures = Pictures()
    context: str | None = None
    instruction: str | None = None
    placement: Placement = "before_question"
    choices: tuple[str, ...] = ()
    request: str = field(default=OPEN_REQUEST, kw_only=True)
    image_counterfactual: Counterfactual | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.question.strip():
            raise UsageError("`question` of Prompt must hold text; got an empty one; give a question.")

    def with_instruction(self, instruction: str | None, placement: Placement = "before_question") -> Prompt:
        """Return the same prompt under another instruction."""
        return replace(self, instruction=instruction, placement=placement)

    def without(self, modality: Literal["image", "text"]) -> Prompt:
        """Return the same prompt without its pictures, or without its context."""
        return replace(self, images=()) if modality == "image" else replace(self, context=None)

    def with_images(self, images: tuple[Image, ...]) -> Prompt:
        """Return the same prompt about other pictures."""
        return replace(self, images=images)

    def with_image_counterfactual(self, counterfactual: Counterfactual) -> Prompt:
        """Return the same prompt with its pictures' patches weighted otherwise."""
        return replace(self, image_counterfactual=counterfactual)

    def body(self) -> tuple[str, dict[str, tuple[int, int]]]:
        """Return the text of the turn and the character range of each named part in it."""
        parts: list[tuple[str, str, str]] = []
        if self.context is not None:
            parts.append(("context", "Text context: ", self.context.strip()))
        if self.instruction is not None and self.placement == "before_question":
            parts.append(("instruction", "", self.instruction.strip()))
        parts.append(("question", "", self._question_text()))
        if self.instruction is not None and self.placement == "after_question":
            parts.append(("instruction", "", self.instruction.strip()))

        text, ranges = "", {}
        for name, label, content in parts:
            text += ("\n" if text else "") + label
            ranges[name] = (len(text), len(text) + len(content))
            text += content
        return text, ranges

    def _question_text(self) -> str:
        if not self.choices:
            return f"{self.question.strip()} {self.request}".strip()
        letters = [chr(ord("A") + i) for i in range(len(self.choices))]
        options = [f"{letter}. {choice}" for letter, choice in zip(letters, self.choices, strict=True)]
        named = " or ".join([", ".join(letters[:-1]), letters[-1]]) if len(letters) > 1 else letters[0]
        return "\n".join(
            [
                self.question.strip(),
                *options,
                f"Answer the question by selecting the correct answer {named}.",
            ]
        )
