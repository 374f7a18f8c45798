"""What is asked of the model, in parts that have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

from trimtab.errors import UsageError
from trimtab.fields import call_explained, check_fields
from trimtab.media import Media, Pictures
from trimtab.modalities import MODALITIES, SHOWN, Modality, in_order, place_of
from trimtab.models import Counterfactual

PARTS_OF: Mapping[Modality, tuple[str, ...]] = {name: (place_of(name),) for name in MODALITIES}
"""The spans that hold a modality's evidence."""

SPANS = (*SHOWN, "context", "question", "instruction", "last")
"""Names of the token positions a prompt knows; ``last`` is the final prompt token."""

OPEN_REQUEST = "Please directly answer the question."
"""How MC2 asks for an open answer (arXiv 2505.20977, released prompts)."""

Placement = Literal["before_question", "after_question"]


@dataclass(frozen=True, eq=False)
class Part:
    """A named part of a prompt, which its tokens' span is called by.

    Attributes:
        name: The span: several pictures are parts of one name.
        kind: The modality that it is written in: what is not shown is ``text``.
        content: An opened medium, or the part's text.
    """

    name: str
    kind: Modality
    content: object


LETTERS = 26
"""Options that have a letter."""


@call_explained
@dataclass(frozen=True, eq=False)
class Prompt:
    """One user turn: media first, then context, instruction and question, each on its own line.

    The order and wording are MC2's (arXiv 2505.20977); AMPS appends its instruction after the question instead
    (``placement="after_question"``).

    Attributes:
        question: The question.
        images: Pictures, in order: one or several of a path, bytes, a PIL image, a numpy array or the ``image`` of an
            item. They are opened at once, and held as upright RGB pictures (see ``trimtab.media``).
        media: All that the prompt shows by modality, in order; ``images`` are its ``image``. It is given as a mapping
            from modalities, such as ``audio``, to lists of their media in any form that ``open_medium`` takes.
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
    _: KW_ONLY
    request: str = OPEN_REQUEST
    image_counterfactual: Counterfactual | None = None
    media: Media = Media()

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.question.strip():
            raise UsageError("`question` of Prompt must hold text; got an empty one; give a question.")
        if len(self.choices) > LETTERS:
            raise UsageError(
                f"`choices` of Prompt must be at most {LETTERS}, a letter each; got {len(self.choices)}; ask with "
                "fewer."
            )

    def with_instruction(self, instruction: str | None, placement: Placement = "before_question") -> Prompt:
        """Return the same prompt under another instruction."""
        return replace(self, instruction=instruction, placement=placement)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the prompt gives evidence in: those it shows, and ``text`` if it has a context."""
        return in_order([*self.media, *(["text"] if self.context is not None else [])])

    def without(self, modality: Modality) -> Prompt:
        """Return the same prompt without what it shows of a modality; without its context for ``text``.

        Raises:
            UsageError: There is no such modality.
        """
        if modality not in MODALITIES:
            raise UsageError(f"`modality` of without must be one of {', '.join(MODALITIES)}; got {modality!r}.")
        return replace(self, context=None) if modality == "text" else self.with_media(modality, ())

    def with_media(self, modality: Modality, media: Sequence[Any]) -> Prompt:
        """Return the same prompt about other media of one modality."""
        if modality == "image":
            return replace(self, images=media)
        return replace(self, media=self.media.replaced(modality, media))

    def with_image_counterfactual(self, counterfactual: Counterfactual) -> Prompt:
        """Return the same prompt with its pictures' patches weighted otherwise."""
        return replace(self, image_counterfactual=counterfactual)

    def parts(self) -> tuple[Part, ...]:
        """Return the named parts in the order in which they are written: what is shown first, then the text."""
        shown = [Part(kind, kind, medium) for kind, media in self.media.items() for medium in media]
        return (*shown, *(Part(name, "text", content) for name, _label, content in self._texts()))

    def body(self) -> tuple[str, dict[str, tuple[int, int]]]:
        """Return the text of the turn and the character range of each named part in it."""
        text, ranges = "", {}
        for name, label, content in self._texts():
            text += ("\n" if text else "") + label
            ranges[name] = (len(text), len(text) + len(content))
            text += content
        return text, ranges

    def _texts(self) -> list[tuple[str, str, str]]:
        """Name, label and content of each part of the text."""
        parts: list[tuple[str, str, str]] = []
        if self.context is not None:
            parts.append(("context", "Text context: ", self.context.strip()))
        if self.instruction is not None and self.placement == "before_question":
            parts.append(("instruction", "", self.instruction.strip()))
        parts.append(("question", "", self._question_text()))
        if self.instruction is not None and self.placement == "after_question":
            parts.append(("instruction", "", self.instruction.strip()))
        return parts

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
