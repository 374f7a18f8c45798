"""Modality following: conflict items under an instruction that names one modality, with readable first tokens.

The task of Instruction Anchor (arXiv 2602.03677): each item is asked under both instructions, so what a model
prefers by itself, or by the sound of a word, cancels between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trimtab.engine import Encoded, Placement, encode
from trimtab.errors import DataError, UsageError
from trimtab.fields import check_fields
from trimtab.items import Item, Skipped
from trimtab.items.admission import admit_items
from trimtab.items.prompts import INSTRUCTIONS, prompt_for
from trimtab.modalities import PAIR, Modality, others
from trimtab.models import Model

AnswerTokens = Literal["distinct", "single"]
ITEMS = "`items` of build_cases"


@dataclass(frozen=True)
class TaskConfig:
    """How items become cases.

    Attributes:
        instructions: The sentence that names each modality; MC2's where left out.
        placement: Where it stands.
        answer_tokens: Which items the first answer token can decide. ``distinct``: the two answers begin with
            different tokens. ``single``: the released data's own rule, both answers are one token without a leading
            space (found by rebuilding it; the paper does not say).
    """

    instructions: Mapping[Modality, str] = field(default_factory=lambda: dict(INSTRUCTIONS))
    placement: Placement = "before_question"
    answer_tokens: AnswerTokens = "distinct"

    def __post_init__(self) -> None:
        check_fields(self)
        if set(self.instructions) != set(PAIR):
            raise UsageError(
                f"`instructions` of TaskConfig must hold a sentence for 'image' and one for 'text'; got "
                f"{sorted(self.instructions)}."
            )


@dataclass(frozen=True, eq=False)
class Case:
    """One item under one instruction.

    Attributes:
        item: The item.
        target: The modality that the instruction names.
        prompt: What is asked, encoded.
        following: Tokens that begin the target's answer.
        competing: Tokens that begin the other modality's answer.
    """

    item: Item
    target: Modality
    prompt: Encoded
    following: tuple[int, ...]
    competing: tuple[int, ...]


class Cases(list[Case]):
    """Cases, both of an item side by side, with the items left out on the way."""

    def __init__(self, cases: Sequence[Case] = (), skipped: Sequence[Skipped] = ()) -> None:
        super().__init__(cases)
        self.skipped = list(skipped)

    def of(self, target: Modality) -> Cases:
        """Return the cases whose instruction names one modality."""
        return Cases([case for case in self if case.target == target], self.skipped)


def build_cases(model: Model, items: Sequence[Item], config: TaskConfig | None = None) -> Cases:
    """Ask each item under both instructions.

    Items that the model cannot take (see ``trimtab.engine.admit``), or whose answers the first token does not tell
    apart, are left out, logged and listed with their number, counted from 1.

    Args:
        model: The model, whose tokenizer says how answers begin.
        items: Conflict items.
        config: How items become cases.

    Raises:
        UsageError: No item can be used, or two have the same id.
    """
    config, made = config or TaskConfig(), {}

    def ask(item: Item) -> list[Encoded]:
        made[item.id] = _cases_of(model, item, config)
        return [case.prompt for case in made[item.id]]

    found = admit_items(model, items, ask, ITEMS).require(ITEMS)
    return Cases([case for item in found.items for case in made[item.id]], found.skipped)


def _cases_of(model: Model, item: Item, config: TaskConfig) -> list[Case]:
    tokens = answer_tokens(model, item, config.answer_tokens)
    return [
        Case(
            item,
            target,
            encode(model, prompt_for(item, instruction=config.instructions[target], placement=config.placement)),
            tokens[target],
            tokens[others(target, PAIR)[0]],
        )
        for target in PAIR
    ]


def answer_tokens(model: Model, item: Item, rule: AnswerTokens = "distinct") -> dict[Modality, tuple[int, ...]]:
    """Return the tokens that each modality's answer can begin with: plain, after a space, and capitalised.

    Tokens that begin both answers decide nothing and are left out.

    Raises:
        DataError: The first token cannot tell the item's answers apart.
    """
    answers = {
        "image": (item.answer_image, *item.aliases_image),
        "text": (item.answer_text, *item.aliases_text),
    }
    if rule == "single":
        for answer in (item.answer_image, item.answer_text):
            if len(_ids(model, answer)) != 1:
                raise DataError(f"`answer` must be one token of {model.name} without a leading space; got {answer!r}")
    first = {modality: _first_tokens(model, own) for modality, own in answers.items()}
    both = first["image"] & first["text"]
    if not first["image"] - both or not first["text"] - both:
        raise DataError(
            f"`answers` must begin with different tokens of {model.name}; {item.answer_image!r} and "
            f"{item.answer_text!r} do not"
        )
    return {"image": tuple(sorted(first["image"] - both)), "text": tuple(sorted(first["text"] - both))}


def _first_tokens(model: Model, answers: Sequence[str]) -> set[int]:
    forms = {form for answer in answers if answer for form in (answer, answer.lower(), answer.capitalize())}
    found = {_ids(model, lead + form)[0] for form in forms for lead in ("", " ")}
    # A token of nothing but space begins any answer.
    return {token for token in found if model.tokenizer.decode([token]).strip()}


def _ids(model: Model, text: str) -> list[int]:
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]
