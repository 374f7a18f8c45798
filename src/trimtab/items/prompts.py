"""From an item to the prompts that are asked about it."""

from __future__ import annotations

from trimtab.engine import Placement, Prompt
from trimtab.items.item import Item
from trimtab.modalities import Modality

INSTRUCTIONS: dict[Modality, str] = {
    "image": (
        "In case there is an inconsistency between the text context and the image content, you should follow the "
        "image content rather than the text context."
    ),
    "text": (
        "In case there is an inconsistency between the text context and the image content, you should follow the "
        "text context rather than the image content."
    ),
}
"""MC2's instructions (arXiv 2505.20977, released prompts; the text one is the mirror of the image one)."""


def prompt_for(
    item: Item,
    *,
    instruction: str | None = None,
    placement: Placement = "before_question",
    image: bool = True,
    context: bool = True,
    choices: tuple[str, ...] = (),
) -> Prompt:
    """Build the prompt of an item.

    Args:
        item: The item.
        instruction: A sentence that names the modality to follow; see ``INSTRUCTIONS``.
        placement: Where the instruction stands.
        image: Whether to show the picture.
        context: Whether to give the text context.
        choices: Options to choose from; none asks for an open answer.

    Raises:
        DataError: The picture cannot be read.
    """
    return Prompt(
        question=item.question,
        images=(item.image,) if image and item.image is not None else (),
        context=item.context if context and item.context else None,
        instruction=instruction,
        placement=placement,
        choices=choices,
    )
