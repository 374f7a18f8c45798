"""Modality following: conflict items under an instruction that names one modality, with readable first tokens.

The task of Instruction Anchor (arXiv 2602.03677): each item is asked under the instruction for each of its modalities,
so what a model prefers by itself, or by the sound of a word, cancels between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from trimtab.engine import Encoded, ModelOrEngine, Placement, encode, engine_of
from trimtab.errors import DataError, UsageError
from trimtab.fields import check_fields
from trimtab.items import Item, Skipped
from trimtab.items.admission import admit_items
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.modalities import PAIR, Modality, others

AnswerRule = Literal["distinct", "single"]
ITEMS = "`items` of build_cases"


@dataclass(frozen=True)
class TaskConfig:
    """How items become cases.

    Attributes:
        instructions: The sentence that names each modality; left out, MC2's, worded for the item's modalities.
        placement: Where it stands.
        answer_tokens: Which items the first answer token can decide. ``distinct``: the two answers begin with
            different tokens. ``single``: the released data's own rule, both answers are one token without a leading
            space (found by rebuilding it; the paper does not say).
    """

    instructions: Mapping[Modality, str] = field(default_factory=dict)
    placement: Placement = "before_question"
    answer_tokens: AnswerRule = "distinct"

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.instructions) == 1:
            raise UsageError(
                "`instructions` of TaskConfig must hold a sentence for each modality of the items; got one for "
                f"{next(iter(self.instructions))} alone; leave them out for MC2's."
            )

    def instruction(self, target: Modality, among: Sequence[Modality]) -> str:
        """Return the sentence that names one of an item's modalities.

        Raises:
            UsageError: Sentences are given, and none for this modality.
        """
        if not self.instructions:
            return instruction_for(target, among)
        if target not in self.instructions:
            raise UsageError(
                f"`instructions` of TaskConfig must hold a sentence for each of {', '.join(among)}; got none for "
                f"{target}; leave them out for MC2's."
            )
        return self.instructions[target]


@dataclass(frozen=True, eq=False)
class Case:
    """One item under one instruction.

    Attributes:
        item: The item.
        target: The modality that the instruction names.
        prompt: What is asked, encoded.
        following: Tokens that begin the target's answer.
        competing: Tokens that begin the answer of any other modality.
    """

    item: Item
    target: Modality
    prompt: Encoded
    following: tuple[int, ...]
    competing: tuple[int, ...]


class Cases(list[Case]):
    """Cases, those of an item side by side, with the items left out on the way."""

    def __init__(self, cases: Sequence[Case] = (), skipped: Sequence[Skipped] = ()) -> None:
        super().__init__(cases)
        self.skipped = list(skipped)

    def of(self, target: Modality) -> Cases:
        """Return the cases whose instruction names one modality."""
        return Cases([case for case in self if case.target == target], self.skipped)


def build_cases(model: ModelOrEngine, items: Sequence[Item], config: TaskConfig | None = None) -> Cases:
    """Ask each item under the instruction for each of its modalities.

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


def _cases_of(model: ModelOrEngine, item: Item, config: TaskConfig) -> list[Case]:
    tokens, among = answer_tokens(model, item, config.answer_tokens), answered(item)
    found = []
    for target in among:
        instruction = config.instruction(target, among)
        prompt = encode(model, prompt_for(item, instruction=instruction, placement=config.placement))
        found.append(Case(item, target, prompt, *tokens[target]))
    return found


def answered(item: Item) -> tuple[Modality, ...]:
    """Return the modalities that an item has answers of; the usual two where it has fewer."""
    found: list[Modality] = [modality for modality in item.modalities if item.answer_of(modality)]
    return tuple(found) if len(found) > 1 else PAIR


class AnswerTokens(NamedTuple):
    """What the first token of an answer says.

    Attributes:
        following: Tokens that begin one modality's answer and no other's.
        competing: Tokens that begin another modality's answer and not this one's.
    """

    following: tuple[int, ...]
    competing: tuple[int, ...]


def answer_tokens(model: ModelOrEngine, item: Item, rule: AnswerRule = "distinct") -> dict[Modality, AnswerTokens]:
    """Return the tokens that each modality's answer can begin with: plain, after a space, and capitalised.

    Tokens that begin the answers of several modalities decide nothing between them and are left out.

    Raises:
        DataError: The first token cannot tell the item's answers apart.
    """
    among = answered(item)
    if rule == "single":
        for answer in map(item.answer_of, among):
            if len(_ids(model, answer)) != 1:
                raise DataError(f"`answer` must be one token of {model.name} without a leading space; got {answer!r}")
    first = {m: _first_tokens(model, (item.answer_of(m), *item.aliases_of(m))) for m in among}
    found = {}
    for target, own in first.items():
        rest = set().union(*(first[other] for other in others(target, among)))
        found[target] = AnswerTokens(tuple(sorted(own - rest)), tuple(sorted(rest - own)))
    if not all(tokens.following for tokens in found.values()):
        raise DataError(
            f"`answers` must begin with different tokens of {model.name}; "
            f"{' and '.join(repr(item.answer_of(m)) for m in among)} do not"
        )
    return found


def _first_tokens(model: ModelOrEngine, answers: Sequence[str]) -> set[int]:
    engine = engine_of(model)
    forms = {form for answer in answers if answer for form in (answer, answer.lower(), answer.capitalize())}
    found = {_ids(model, lead + form)[0] for form in forms for lead in ("", " ")}
    # A token of nothing but space begins any answer.
    return {token for token in found if engine.detokenize([token]).strip()}


def _ids(model: ModelOrEngine, text: str) -> list[int]:
    return engine_of(model).tokenize(text)
