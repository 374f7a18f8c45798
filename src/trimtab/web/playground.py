"""The playground's work, without its page: ask, take apart, steer, keep as a test item."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.contribution import AnswerTrace, Shapley, measure_prompts, trace_prompt
from trimtab.engine import Answers, ModelOrEngine, Prompt, Row, generate
from trimtab.errors import UsageError
from trimtab.items import Item, read_items, write_items
from trimtab.items.replies import why_broken
from trimtab.modalities import Modality
from trimtab.steering import Ask
from trimtab.studies.kit.artifacts import AnyArtifact
from trimtab.web.inside import Inside, look_inside

if TYPE_CHECKING:
    from PIL.Image import Image

TASK = "playground"
"""Task of the items that are kept."""


@dataclass(frozen=True)
class Limits:
    """How much a visitor may ask for.

    Attributes:
        characters: Of the question, and of the text.
        pixels: Of the picture.
        strength: Of steering.
        items: Kept in the file.
        kept_side: Longer side of a kept picture; a larger one is scaled down.
    """

    characters: int = 2000
    pixels: int = 40_000_000
    strength: float = 8.0
    items: int = 200
    kept_side: int = 1536


LIMITS = Limits()


@dataclass(frozen=True)
class Shown:
    """What the plain model makes of a question.

    Attributes:
        answer: Its answer to all of it.
        alone: Its answer where one modality alone is shown.
        shares: What each modality is of what all add to the answer; empty where there is one alone.
        trace: The same at each token of the answer; None where there is one alone.
    """

    answer: str
    alone: dict[Modality, str]
    shares: dict[Modality, float]
    trace: AnswerTrace | None


@dataclass(frozen=True)
class Steered:
    """A steered answer.

    Attributes:
        answer: The answer.
        receipt: What the steering touched.
        broken: Why the answer is broken as language; empty if it is not.
    """

    answer: str
    receipt: str
    broken: str


class Playground:
    """A model, ways to steer it, and a file for test items.

    Attributes:
        model: The model.
        ways: Fitted methods by what a visitor calls them.
        longest: Longest answer in tokens.
        kept: The file of items; None to keep none.
        limits: How much a visitor may ask for.
    """

    def __init__(
        self,
        model: ModelOrEngine,
        artifacts: Sequence[AnyArtifact],
        longest: int,
        kept: Path | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.model, self.longest, self.kept, self.limits = model, longest, kept, limits
        self.ways = {f"{artifact.name}, toward the {artifact.target}": artifact for artifact in artifacts}
        self._writing = threading.Lock()

    def ask(self, picture: Image | None, question: str, text: str) -> Shown:
        """Answer a question from all that is shown, and from each modality alone.

        Raises:
            UsageError: It is too long, too large, or empty.
            DataError: The model cannot take it.
        """
        whole = self._prompt(picture, question, text)
        parts: dict[Modality, Prompt] = {}
        if picture is not None and text.strip():
            parts = {"image": self._prompt(picture, question, ""), "text": self._prompt(None, question, text)}
        told = self._told([Row(prompt) for prompt in (whole, *parts.values())])
        (scores,) = measure_prompts(self.model, [whole], Shapley()) if parts else (None,)
        shares = {} if scores is None else dict(scores.shares)
        trace = trace_prompt(self.model, whole, max_new_tokens=self.longest) if parts else None
        return Shown(told.texts[0], dict(zip(parts, told.texts[1:], strict=True)), shares, trace)

    def look_inside(self, picture: Image | None, question: str, text: str) -> Inside:
        """Look at attention, links and heads on the way to an answer.

        Raises:
            UsageError: See ``ask``; or there is no picture or no text.
            UnsupportedMethodError: Not all layers of the model attend.
        """
        if picture is None or not text.strip():
            raise UsageError("there must be a picture and a text to look inside; got one alone.")
        return look_inside(self.model, self._prompt(picture, question, text), self.longest)

    def steer(self, picture: Image | None, question: str, text: str, way: str, strength: float) -> Steered:
        """Answer a question under one of the ways to steer.

        Raises:
            UsageError: See ``ask``; or there is no such way, or the strength is out of bounds.
            DataError: See ``ask``.
        """
        if way not in self.ways:
            raise UsageError(f"the method must be one of {', '.join(self.ways)}; got {way!r:.80}; choose one of these.")
        if not 0 <= strength <= self.limits.strength:
            raise UsageError(f"the strength must be from 0 to {self.limits.strength:g}; got {strength!r:.40}.")
        asks = self.ways[way].asks(self.model, [self._prompt(picture, question, text)], strength)
        found = self._told(asks)
        broken = found.broken.get(0) or why_broken(found.texts[0]) or ""
        return Steered(found.texts[0], _receipt(found, asks[0], strength), broken)

    def keep(self, picture: Image, question: str, text: str, answer_image: str, answer_text: str) -> Item:
        """Make a test item of a question and put it into the file, its picture beside it.

        Raises:
            UsageError: No file was given, it is full, or the answers do not differ.
            DataError: The file cannot be written.
        """
        if self.kept is None:
            raise UsageError("`--out` must name a file for test items to be kept; start trimtab play with it.")
        self._prompt(picture, question, text)  # within the limits
        with self._writing:
            before = list(read_items(self.kept)) if self.kept.exists() else []
            if len(before) >= self.limits.items:
                most = self.limits.items
                raise UsageError(f"{self.kept} must hold at most {most} items, and holds {len(before)}; take another.")
            item = Item(
                id=f"{TASK}-{len(before) + 1:04d}",
                task=TASK,
                question=question,
                context=text,
                image=self._small(picture),
                answer_image=answer_image,
                answer_text=answer_text,
                split="test",
            )
            write_items([*before, item], self.kept)
        return item

    def _prompt(self, picture: Image | None, question: str, text: str) -> Prompt:
        most = self.limits
        for name, words in (("question", question), ("text", text)):
            if len(words) > most.characters:
                raise UsageError(f"the {name} must have at most {most.characters} characters; got {len(words)}.")
        if not question.strip():
            raise UsageError("the question must not be empty; write one.")
        if picture is not None and picture.width * picture.height > most.pixels:
            raise UsageError(
                f"the picture must have at most {most.pixels:,} pixels; got {picture.width} x {picture.height}."
            )
        if picture is None and not text.strip():
            raise UsageError("there must be a picture or a text to answer from; got neither.")
        return Prompt(question, [] if picture is None else [picture], text.strip() or None)

    def _small(self, picture: Image) -> Image:
        """Return a picture that a folder can hold many of."""
        small = picture.convert("RGB")
        small.thumbnail((self.limits.kept_side, self.limits.kept_side))
        return small

    def _told(self, asks: Sequence[Ask]) -> Answers:
        return generate(self.model, asks, max_new_tokens=self.longest, keep_broken=True)


def _receipt(found: Answers, asked: Ask, strength: float) -> str:
    """Say what steering touched: the model's states, or the prompt."""
    if not strength:
        return "nothing touched, for strength 0 is the plain model"
    added = asked.prompt.instruction if isinstance(asked, Row) and isinstance(asked.prompt, Prompt) else None
    return f"the prompt has the sentence {added!r}, at any strength" if added else str(found.receipt)
