"""How long a user's prompts are, pictures included, and which of their items cannot be asked at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from trimtab.engine import encode, reason_of
from trimtab.errors import UsageError
from trimtab.items import Item, Skipped
from trimtab.items.prompts import prompt_for
from trimtab.models import Model

LOOKED_AT = 64
"""Items whose prompts are encoded, spread evenly over the data."""


@dataclass(eq=False)
class PromptSizes:
    """What was found out about the prompts of a data set.

    Attributes:
        items: Items of the data set.
        usable: Those of the items looked at that can be asked, longest prompt first.
        tokens: Their prompts' tokens, in the same order.
        image_tokens: How many of these are positions of pictures.
        refused: Items looked at that cannot be asked, with the reason.
    """

    items: int
    usable: list[Item] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    image_tokens: list[int] = field(default_factory=list)
    refused: list[Skipped] = field(default_factory=list)

    @property
    def share_of_longest(self) -> float:
        """The mean prompt's length as a share of the longest one's."""
        return sum(self.tokens) / len(self.tokens) / self.tokens[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        found: dict[str, Any] = {"items": self.items, "looked_at": len(self.usable) + len(self.refused)}
        for name, values in (("tokens", self.tokens), ("image_tokens", self.image_tokens)):
            found[name] = {"least": min(values), "median": median(values), "most": max(values)} if values else None
        return {**found, "refused": [{"row": s.row, "reason": s.reason} for s in self.refused]}


def prompt_sizes(model: Model, items: Sequence[Item]) -> PromptSizes:
    """Encode some prompts and see how long they are.

    Args:
        model: The model, whose tokenizer and image processor decide.
        items: The items of a data set; ``LOOKED_AT`` of them are looked at.
    """
    found, sizes = PromptSizes(len(items)), []
    for place in _spread(len(items), LOOKED_AT):
        item = items[place]
        try:
            encoded = encode(model, prompt_for(item))
            limit = most_positions(model)
            if limit is not None and len(encoded) > limit:
                raise UsageError(f"its prompt has {len(encoded)} tokens, and {model.name} has {limit} positions")
        except Exception as error:  # whatever image processor and tokenizer make of it
            found.refused.append(Skipped(place + 1, f"item {item.id}: {reason_of(error)}"))
            continue
        sizes.append((len(encoded), len(encoded.spans["image"]), item))
        model.forget_media()  # thousands of large pictures would fill the memory that is to be judged
    sizes.sort(key=lambda size: -size[0])
    for tokens, image_tokens, item in sizes:
        found.tokens.append(tokens)
        found.image_tokens.append(image_tokens)
        found.usable.append(item)
    return found


def most_positions(model: Model) -> int | None:
    """Return how many positions a model was made for; None if it does not say."""
    return getattr(model.text_config, "max_position_embeddings", None)


def _spread(n: int, most: int) -> list[int]:
    """Return at most so many places of ``n``, evenly spread."""
    return list(range(n)) if n <= most else [place * n // most for place in range(most)]
