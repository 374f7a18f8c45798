"""Prompts to patch from: of the same layout as a case's own, so that every token has its fellow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.circuits.task import Case
from trimtab.engine import Encoded
from trimtab.errors import UsageError
from trimtab.modalities import PAIR, Modality, in_order
from trimtab.models import MediaInput


@dataclass(frozen=True, eq=False)
class Patch:
    """A case and the prompt that its states are to come from.

    Attributes:
        case: The case.
        donor: The other prompt; it has the layout of the case's own.
        kind: In what the donor differs: ``instruction``, or the modality whose medium is another.
    """

    case: Case
    donor: Encoded
    kind: str

    def __post_init__(self) -> None:
        prompt, item = self.case.prompt, self.case.item.id
        if len(self.donor) != len(prompt):
            raise UsageError(
                f"`donor` of Patch must have as many tokens as the prompt of item {item}, {len(prompt)}; got "
                f"{len(self.donor)}; use media of one size, and instructions of equally many tokens."
            )
        if not same_layout(prompt, self.donor):
            raise UsageError(
                f"`donor` of Patch must have its parts and rotary positions where the prompt of item {item} has them; "
                "they differ; use media of one size, and instructions of equally many tokens."
            )


def same_layout(one: Encoded, other: Encoded) -> bool:
    """Return whether two prompts have their parts and rotary positions at the same tokens."""
    names = {name for prompt in (one, other) for name, span in prompt.spans.items() if len(span)}
    spans = [[prompt.spans[name].tolist() if name in prompt.spans else [] for name in names] for prompt in (one, other)]
    return spans[0] == spans[1] and one.positions.tolist() == other.positions.tolist()


def next_instructions(cases: Sequence[Case]) -> dict[Case, int]:
    """Return for each case the number of the same item's case under the next instruction, the first after the last.

    Raises:
        UsageError: A case lacks another one of its item.
    """
    numbers = {(case.item.id, case.target): number for number, case in enumerate(cases)}
    named = in_order(case.target for case in cases)
    named = named if len(named) > 1 else PAIR
    following = dict(zip(named, (*named[1:], named[0]), strict=True))
    found = {case: numbers.get((case.item.id, following[case.target])) for case in cases}
    paired = {case: number for case, number in found.items() if number is not None}
    if len(paired) < len(cases):
        raise UsageError(
            f"`cases` to patch between instructions must hold all instructions of each item; "
            f"{len(cases) - len(paired)} of {len(cases)} cases lack another one; give them as build_cases made them."
        )
    return paired


def other_instructions(cases: Sequence[Case]) -> list[Patch]:
    """Pair each case with the same item under the next instruction.

    Raises:
        UsageError: The instructions have different numbers of tokens, or a case lacks another one of its item.
    """
    return [Patch(case, cases[number].prompt, "instruction") for case, number in next_instructions(cases).items()]


def other_media(cases: Sequence[Case], modality: Modality = "image") -> list[Patch]:
    """Pair each case with its own prompt about another medium, which supports another answer.

    The medium is that of the next item of the same task, in the order of the cases, whose answer is another and whose
    medium takes as many tokens in the same grid. Cases without such an item are left out.
    """
    found = []
    for number, case in enumerate(cases):
        order = [*cases[number + 1 :], *cases[:number]]
        donor = next((other for other in order if _may_give(other, case, modality)), None)
        if donor is not None:
            theirs = iter([medium for medium in donor.prompt.media if medium.kind == modality])
            media = tuple(next(theirs) if own.kind == modality else own for own in case.prompt.media)
            found.append(Patch(case, replace(case.prompt, media=media), modality))
    return found


def _may_give(donor: Case, case: Case, modality: Modality) -> bool:
    shapes = [[_shape(medium) for medium in one.prompt.media if medium.kind == modality] for one in (donor, case)]
    answers = {one.answer_of(modality).casefold() for one in (donor.item, case.item)}
    return donor.item.task == case.item.task and len(answers) == 2 and bool(shapes[0]) and shapes[0] == shapes[1]


def _shape(medium: MediaInput) -> tuple[object, ...]:
    return medium.n_tokens, medium.grid, medium.seconds, medium.step
