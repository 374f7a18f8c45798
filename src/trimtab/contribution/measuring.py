"""``measure``: how much each modality contributes to the answer of every item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from trimtab.contribution.method import Case, Method
from trimtab.contribution.options import MCS
from trimtab.contribution.scores import Contribution, Contributions, Scores
from trimtab.contribution.shapley import Shapley
from trimtab.contribution.spans import segment
from trimtab.contribution.vocabulary import answer_tokens
from trimtab.engine import (
    Capability,
    Encoded,
    Engine,
    Fleet,
    ModelOrEngine,
    Prompt,
    encode,
    engine_of,
    fleet_of,
    tokens_of,
)
from trimtab.engine.local.whitebox import exclusive, open_blocks, opened
from trimtab.errors import DataError, UsageError
from trimtab.items import Item, Skipped
from trimtab.items.admission import admit_items, check_items, say_left_out
from trimtab.items.prompts import prompt_for
from trimtab.modalities import MODALITIES, Modality, in_order, others
from trimtab.progress import SILENT, Advance, Progress

ITEMS = "`items` of measure"
HELD = 128
"""Items whose prompts, pictures among them, are held together."""


@exclusive
def measure_prompts(model: ModelOrEngine, prompts: Sequence[Prompt], method: Method) -> list[Scores | None]:
    """Measure prompts as they will be asked, which belong to no item; see ``measure``.

    Args:
        model: The model.
        prompts: The prompts.
        method: The method with its options.

    Returns:
        Each prompt's scores; None for one that cannot be measured, such as one with a single modality.

    Raises:
        UsageError: The method needs an item's answers.
    """
    if isinstance(method, MCS) and method.vocabulary == "answers":
        raise UsageError(
            "`vocabulary` of MCS must be 'all' to measure prompts, which come without answers; got 'answers'."
        )
    cases: dict[int, Case] = {}
    for place, prompt in enumerate(prompts):
        with suppress(DataError):
            cases[place] = case_of_prompt(model, prompt, method)
    scores = _scores(model, list(cases.values()), method, lambda _done: None)
    found = dict(zip(cases, scores, strict=True))
    return [found.get(place) for place in range(len(prompts))]


@exclusive
def measure(
    model: ModelOrEngine,
    items: Sequence[Item],
    *,
    instruction: str | None = None,
    method: Method | None = None,
    modalities: Sequence[Modality] | None = None,
    progress: Progress = SILENT,
) -> Contributions:
    """Measure how much each modality contributes to the answer of each item.

    Left to itself, by Shapley values: how much of the answer's probability the image adds, and how much the context,
    by asking again with either or both left blank. Other methods are in ``METHODS``, AMPS's Modality Contribution
    Score among them (``MCS``), which hardly tells which modality an answer comes from
    (``docs/contribution_validity.md``). An image, a video or a sound is its positions in the prompt; the text is the
    context, and for some methods the question with its options, too.

    Items that cannot be measured, because the model cannot take them (see ``trimtab.engine.admit``), because their
    image is missing or corrupt, because they have one modality alone (no image, or no context where the text is the
    context alone), because their answers begin with the same token where the answer is chosen among these, or because
    their scores are not finite, or because they are longer than a layer's sliding window where entries of the whole
    prompt are queried, are left out, logged, and listed in ``.skipped`` of the result with their number, from 1.

    Args:
        model: The model.
        items: What to measure; they need not be in conflict.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        method: The method with its options; ``Shapley()`` if left out.
        modalities: Measure these alone, at least two, of items that have them all; left out, all that an item has.
        progress: Told of items as they finish.

    Returns:
        The contributions in the items' order.

    Raises:
        UsageError: There is no item, there are fewer than two modalities, an option does not fit the model, or a block
            ``with ...applied(model)`` is open.
    """
    method, every = method or Shapley(), check_items(items, ITEMS)
    if isinstance(method, str) or not hasattr(method, "name"):
        raise UsageError(f"`method` of measure must be a method, such as trimtab.Shapley(); got {method!r:.60}.")
    if not every:
        raise UsageError("`items` of measure must hold at least one item; got none.")
    if (fleet := fleet_of(model)) is not None:
        return _apart(fleet, every, _Asked(method, instruction, modalities), progress)
    asked, measured = _Asked(method, instruction, modalities), Contributions()
    with progress.task("contribution", len(every)) as advance:
        for start in range(0, len(every), HELD):
            part = _measured(model, every[start : start + HELD], asked, advance)
            measured.extend(part)
            measured.skipped += [Skipped(start + row, reason) for row, reason in part.skipped]
    return measured


def _measured(model: ModelOrEngine, items: list[Item], asked: _Asked, advance: Advance) -> Contributions:
    """Measure items whose prompts are held together."""
    cases, skipped = ask(model, items, asked.method, asked.instruction, asked.modalities)
    advance(len(skipped))
    found = _scores(model, cases, asked.method, advance)
    measured = Contributions((), skipped)
    for case, scores in zip(cases, found, strict=True):
        item = case.item
        assert item is not None
        if all(map(math.isfinite, scores.values.values())):
            measured.append(Contribution(item.id, item.task, *scores))
        else:
            place = next(k for k, given in enumerate(items, start=1) if given is item)
            measured.skipped.append(
                Skipped(place, f"item {item.id}: its scores are not finite in {engine_of(model).precision}.")
            )
    measured.skipped.sort()
    return measured


@dataclass(frozen=True)
class _Asked:
    """What ``measure`` is told beside model and items; called on a worker, it measures a piece of the items there."""

    method: Method
    instruction: str | None
    modalities: Sequence[Modality] | None

    def __call__(self, engine: Engine, items: Sequence[Item]) -> Contributions:
        """Measure some items on an engine whose model is in this process."""
        model = opened(engine, Capability.WEIGHTS, owner="measure")
        return measure(model, items, instruction=self.instruction, method=self.method, modalities=self.modalities)


def _apart(fleet: Fleet, items: list[Item], asked: _Asked, progress: Progress) -> Contributions:
    """Measure items in pieces that do not depend on how many workers there are."""
    pieces = fleet.cut([_tokens(item) for item in items])
    with progress.task("contribution", len(items)) as advance:
        found = fleet.map(
            asked, [items[piece.start : piece.stop] for piece in pieces], lambda piece: advance(len(piece))
        )
    whole = Contributions()
    for piece, part in zip(pieces, found, strict=True):
        whole.extend(part)
        whole.skipped += [Skipped(piece.start + row, reason) for row, reason in part.skipped]
    say_left_out(whole.skipped, len(items))
    return whole


def _tokens(item: Item) -> int:
    """Return about how many tokens an item's prompt has; what it shows is for a worker to open."""
    shown = [item.content_of(modality) for modality in item.modalities]
    texts = [content for content in shown if isinstance(content, str)]
    return tokens_of([item.question, *item.choices, *texts], len(shown) - len(texts))


def ask(
    model: ModelOrEngine,
    items: Sequence[Item],
    method: Method,
    instruction: str | None = None,
    modalities: Sequence[Modality] | None = None,
) -> tuple[list[Case], list[Skipped]]:
    """Make the cases of the items that can be measured, and list the others.

    Raises:
        UsageError: There are fewer than two modalities, or a block ``with ...applied(model)`` is open.
    """
    if blocks := open_blocks(model):
        raise UsageError(
            f"`model` of measure must have no edits applied, since it measures the unedited model; "
            f"{blocks} blocks of applied edits are open; call it outside of them."
        )
    wanted = None if modalities is None else _checked(modalities)
    if method.queried:
        opened(model, Capability.CACHE, owner=type(method).__name__).require("contribution", sees=1)
    made: dict[str, Case] = {}

    def encoded(item: Item) -> list[Encoded]:
        made[item.id] = case = _case(model, item, prompt_for(item, instruction=instruction), method, wanted)
        return [case.encoded]

    steps = method.steps if isinstance(method, MCS | Shapley) else 1
    found = admit_items(model, items, encoded, ITEMS, new_tokens=steps - 1)
    return [made[item.id] for item in found.items], found.skipped


def _checked(modalities: Sequence[Modality]) -> tuple[Modality, ...]:
    if len(set(modalities)) < 2 or not set(modalities) <= set(MODALITIES):
        raise UsageError(
            f"`modalities` of measure must be two or more of {', '.join(MODALITIES)}; got {list(modalities)}; leave it "
            "out for all that an item has."
        )
    return in_order(modalities)


def case_of_prompt(model: ModelOrEngine, prompt: Prompt, method: Method) -> Case:
    """Make the case of a prompt that belongs to no item. Raises DataError if it cannot be measured."""
    return _case(model, None, prompt, method, None)


def _case(
    model: ModelOrEngine, item: Item | None, prompt: Prompt, method: Method, wanted: tuple[Modality, ...] | None
) -> Case:
    """Make an item's case. Raises DataError if it cannot be measured."""
    encoded = encode(model, prompt)
    present = in_order(m for m in MODALITIES if len(segment(encoded, m, method.text)))
    for modality in wanted or ():
        if modality not in present:
            raise DataError(f"it has no {_called(modality)}, which is among the modalities asked for.")
    if len(present) < 2:
        alone = present[0] if present else "text"
        beside = "context" if alone != "text" else _called(others("text", MODALITIES)[0])
        counted = " (method mcs sets it against the question)" if beside == "context" and method.text == beside else ""
        raise DataError(f"it has no {beside}, so there is nothing to set its {alone} against{counted}.")
    case = Case(item, prompt, encoded, wanted or present)
    if method.queried:
        unseen = opened(model, Capability.CACHE, owner=method.name).why_unseen(len(encoded) + method.queried - 1)
        if unseen is not None:
            raise DataError(f"it is longer than what can be measured at once: {unseen}.")
    if isinstance(method, MCS) and method.vocabulary == "answers":
        answer_tokens(model, case)  # refuses answers that their first tokens do not tell apart
    return case


def _called(modality: Modality) -> str:
    return "context" if modality == "text" else modality


def _scores(model: ModelOrEngine, cases: Sequence[Case], method: Method, advance: Advance) -> list[Scores]:
    """Score cases, those of the same modalities together."""
    found: dict[int, Scores] = {}
    for kind in dict.fromkeys(case.modalities for case in cases):
        places = [place for place, case in enumerate(cases) if case.modalities == kind]
        scores = method.scores(model, [cases[place] for place in places], advance)
        found.update(zip(places, scores, strict=True))
    return [found[place] for place in range(len(cases))]
