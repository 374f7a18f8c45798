"""From an item to the prompts that are asked about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trimtab.engine import Encoded, ModelOrEngine, Placement, Prompt, engine_of
from trimtab.errors import UsageError
from trimtab.fields import shown
from trimtab.items.item import Item
from trimtab.modalities import FACTS, PAIR, SHOWN, Modality, in_order, others


def instruction_for(target: Modality, among: Iterable[Modality] = PAIR) -> str:
    """Return the sentence that tells a model to follow one of several modalities, worded as MC2's.

    Args:
        target: The modality to follow.
        among: The modalities that may disagree.

    Raises:
        UsageError: There is nothing beside the target to disagree with it.
    """
    beside = others(target, among)
    if not beside:
        raise UsageError(f"`among` of instruction_for must name a modality beside {target}; got {shown(list(among))}.")
    *first, last = [FACTS[name].content for name in reversed(in_order((target, *beside)))]
    rest = [FACTS[name].content for name in reversed(beside)]
    return (
        f"In case there is an inconsistency between the {', the '.join(first)} and the {last}, you should follow the "
        f"{FACTS[target].content} rather than the {' or the '.join(rest)}."
    )


INSTRUCTIONS: dict[Modality, str] = {target: instruction_for(target) for target in PAIR}
"""MC2's instructions (arXiv 2505.20977, released prompts; the text one is the mirror of the image one)."""


def prompt_for(
    item: Item,
    *,
    instruction: str | None = None,
    placement: Placement = "before_question",
    without: Collection[Modality] = (),
    choices: tuple[str, ...] = (),
) -> Prompt:
    """Build the prompt of an item.

    Args:
        item: The item.
        instruction: A sentence that names the modality to follow; see ``instruction_for``.
        placement: Where the instruction stands.
        without: Modalities whose evidence is not shown.
        choices: Options to choose from; none asks for an open answer.

    Raises:
        DataError: A medium cannot be read.
    """
    sources = {kind: item.source_of(kind) for kind in SHOWN if kind not in without}
    return Prompt(
        question=item.question,
        media={kind: (source,) for kind, source in sources.items() if source is not None},
        context=(item.context or None) if "text" not in without else None,
        instruction=instruction,
        placement=placement,
        choices=choices,
    )


def answer_ids(model: ModelOrEngine, prompt: Encoded, answer: str) -> list[int]:
    """Return the tokens of an answer as it would follow a prompt, with a blank between them if it ends without one."""
    engine = engine_of(model)
    ends_open = not engine.detokenize(prompt.ids[-1:].tolist()).endswith(("\n", " "))
    return engine.tokenize(f" {answer.strip()}" if ends_open else answer.strip())
