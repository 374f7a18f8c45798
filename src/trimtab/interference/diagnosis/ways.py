"""How a view is asked: plainly, or by a baseline that needs no training."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.engine import Contrast, Prompt, Row
from trimtab.interference.views import irrelevant_modalities
from trimtab.items import Item
from trimtab.modalities import FACTS, PAIR, Modality

Way = Callable[[Prompt, Item], Row | Contrast]
"""Makes of a prompt and its item what the model is run on."""

IGNORE: dict[Modality, str] = {
    "image": "Answer from the image alone, and ignore any text that does not belong to the question.",
    "text": "Answer the question from what you know and read, and ignore the image.",
}
"""Asks to use image or text only."""

STEP_BY_STEP = (
    "First say which of the image and the text context the question is about, think step by step from that alone, and "
    "then give the letter of the answer."
)
AMPLIFY = 1.0
"""VDD's alpha (arXiv 2403.05262)."""


def plain(prompt: Prompt, _item: Item) -> Row:
    """Ask as it is."""
    return Row(prompt)


def ignore(prompt: Prompt, item: Item) -> Row:
    """Ask under an instruction to ignore what does not matter; an item that needs all is asked as it is."""
    sentence = ignoring(item)
    return Row(prompt) if sentence is None else Row(prompt.with_instruction(sentence))


def ignoring(item: Item) -> str | None:
    """Return the sentence that asks to use what is relevant alone; None where there is nothing else."""
    beside = irrelevant_modalities(item)
    if item.relevant is None or not beside:
        return None
    if {*item.relevant, *beside} == set(PAIR):
        return IGNORE[item.relevant[0]]
    use, leave = (" and the ".join(FACTS[name].content for name in names) for names in (item.relevant, beside))
    return f"Answer from the {use} alone, and ignore the {leave}."


def step_by_step(prompt: Prompt, _item: Item) -> Row:
    """Ask for a chain of thought; only a generated reply shows one."""
    return Row(prompt.with_instruction(STEP_BY_STEP, "after_question"))


def contrast(prompt: Prompt, _item: Item) -> Row | Contrast:
    """Decode against the same prompt without what it shows (VDD); a prompt that shows nothing is asked as it is."""
    if not prompt.media:
        return Row(prompt)
    without = prompt
    for kind in prompt.media:
        without = without.without(kind)
    return Contrast((Row(prompt), Row(without)), (1 + AMPLIFY, -AMPLIFY))


WAYS: dict[str, Way] = {"plain": plain, "ignore": ignore, "step_by_step": step_by_step, "contrast": contrast}
"""Ways by name; add one to try a method of your own beside them."""
