"""Items that nothing conflicts in: what steering breaks there is harm that following rates do not show."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from trimtab.circuits import agreeing_context
from trimtab.items import Item, normalise
from trimtab.modalities import PAIR

IRRELEVANT_TEXT = "irrelevant_text"
"""The picture has the answer, the text says nothing of it."""
AGREEING_TEXT = "agreeing_text"
"""Picture and text have the same answer."""
IRRELEVANT_IMAGE = "irrelevant_image"
"""The text has the answer, the picture says nothing of it."""
BOTH = "both"
"""Neither has the answer without the other."""


@dataclass(frozen=True)
class Control:
    """An item with one right answer.

    Attributes:
        kind: What is asked: one modality alone, such as ``image_only``, or one of the kinds above, in which several
            modalities are there.
        item: The item; an answer it lacks is empty.
    """

    kind: str
    item: Item


class OwnTexts(NamedTuple):
    """Texts that a data set has for an item beside its own: one irrelevant, one that agrees with the picture."""

    irrelevant: str
    agreeing: str


@dataclass
class Controls:
    """Controls of each kind, in the order of tables.

    Attributes:
        made: The controls by kind.
        short: Why a kind has fewer than were asked for.
    """

    made: dict[str, list[Control]] = field(default_factory=dict)
    short: dict[str, str] = field(default_factory=dict)

    def all(self) -> list[Control]:
        """Return all of them, kind by kind."""
        return [control for own in self.made.values() for control in own]


def make_controls(
    items: Sequence[Item],
    n: int,
    *,
    valid: Mapping[str, Iterable[str]],
    texts: Mapping[str, OwnTexts] | None = None,
    scenes: Mapping[str, str] | None = None,
    joint: Sequence[Item] = (),
    seed: int = 0,
) -> Controls:
    """Make controls of conflict items, of each kind up to a number, from the first items of which one can be made.

    One modality alone is the item without the others. What needs both cannot be made and must be given. The others are
    made of items with a picture and a text. Where the data has no texts of its own for them:

    - an irrelevant text is that of an item of another task, in which no valid answer of this task occurs;
    - an irrelevant picture is that of an item of another task, whose answer is no valid one of this task. It may still
      show something of the question that its own item does not ask: compare with what no steering does;
    - an agreeing text is the item's own with its answer replaced, word for word, by the picture's.

    Args:
        items: Conflict items.
        n: How many controls of each kind.
        valid: Valid answers of each task.
        texts: Texts that the data has for an item, by its id.
        scenes: What the pictures of a task show, where that is known: then an irrelevant one shows something else, and
            a task without an entry asks for whatever is there, so that no picture is irrelevant to it.
        joint: Items that need several modalities together.
        seed: Chooses whose text or picture an item gets.
    """
    found = Controls()
    for modality in dict.fromkeys(modality for item in items for modality in item.modalities):
        found.made[f"{modality}_only"] = [c for c in unimodal_controls(items) if c.kind == f"{modality}_only"][:n]
    pairs = [item for item in items if item.modalities == PAIR and item.context and item.image is not None]
    donors = _Donors(pairs, {task: {*map(normalise, known)} for task, known in valid.items()}, scenes, seed)
    own = texts or {}
    makers: dict[str, Callable[[Item], Item | None]] = {
        IRRELEVANT_TEXT: lambda item: _with_text(
            item, own[item.id].irrelevant if item.id in own else donors.text(item)
        ),
        AGREEING_TEXT: lambda item: _with_text(
            item, own[item.id].agreeing if item.id in own else agreeing_context(item)
        ),
        IRRELEVANT_IMAGE: lambda item: _with_image(item, donors.image(item)),
    }
    for kind, make in makers.items():
        made = (Control(kind, control) for item in pairs if (control := make(item)) is not None)
        found.made[kind] = list(islice(made, n))
    found.made[BOTH] = joint_controls(joint)[:n]
    found.short = {kind: _SHORT.get(kind, "no more items") for kind, own in found.made.items() if len(own) < n}
    return found


_SHORT = {
    IRRELEVANT_TEXT: "needs items with a picture and a text, and a text of another task without an answer of this one",
    AGREEING_TEXT: "needs items with a picture and a text in which the text's answer stands word for word",
    IRRELEVANT_IMAGE: "needs items with a picture and a text, and a picture of another task without an answer of this",
    BOTH: "cannot be made of conflict items; the data has no more that need several modalities",
}


@dataclass(frozen=True)
class _Donors:
    """Whose text or picture says nothing of an item's question."""

    items: Sequence[Item]
    answers: Mapping[str, set[str]]
    scenes: Mapping[str, str] | None
    seed: int

    def text(self, item: Item) -> str | None:
        """Return a text of another task in which no answer of the item's task occurs."""
        known = self.answers.get(item.task, set())
        texts = (other.context for other in self._of_other_tasks(item))
        return next((text for text in texts if not any(_holds(text, answer) for answer in known)), None)

    def image(self, item: Item) -> Item | None:
        """Return an item of another task whose picture has no answer of the item's task."""
        known, scenes = self.answers.get(item.task, set()), self.scenes
        if scenes is not None and item.task not in scenes:
            return None
        for other in self._of_other_tasks(item):
            apart = scenes is None or scenes.get(other.task, scenes[item.task]) != scenes[item.task]
            if apart and normalise(other.answer_image) not in known:
                return other
        return None

    def _of_other_tasks(self, item: Item) -> Iterator[Item]:
        """List them from a place on that depends on the item's id and the seed."""
        digest = hashlib.sha256(f"{self.seed} {item.id}".encode()).digest()
        start = int.from_bytes(digest[:8], "big") % len(self.items)
        return (other for other in (*self.items[start:], *self.items[:start]) if other.task != item.task)


def _holds(text: str, answer: str) -> bool:
    return f" {answer} " in f" {normalise(text)} "


def _with_text(item: Item, text: str | None) -> Item | None:
    """Return the item with another text, in which the picture's answer is the right one."""
    if text is None:
        return None
    return item.replace(context=text, answer_text="", aliases_text=(), relevant="image")


def _with_image(item: Item, other: Item | None) -> Item | None:
    """Return the item with another's picture, in which the text's answer is the right one."""
    if other is None:
        return None
    return item.replace(image=other.image, answer_image="", aliases_image=(), relevant="text")


def unimodal_controls(items: Iterable[Item]) -> list[Control]:
    """Make a control of each modality of each conflict item: asked with the evidence of that one alone."""
    return [
        Control(f"{modality}_only", item.replace(relevant=modality, evidence={modality: item.evidence[modality]}))
        for item in items
        for modality in item.modalities
    ]


def joint_controls(items: Iterable[Item]) -> list[Control]:
    """Make controls of items that need several modalities together; the answers of all are the right one."""
    # One answer, in one place; what else the item needs stays in the prompt.
    return [Control(BOTH, _with_one_answer(item)) for item in items]


def _with_one_answer(item: Item) -> Item:
    first, *rest = item.relevant or item.modalities
    blank = {f"{name}_{modality}": value for modality in rest for name, value in (("answer", ""), ("aliases", ()))}
    return item.replace(relevant=first, **blank)
