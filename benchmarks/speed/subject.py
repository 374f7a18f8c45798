"""A model with prompts of equal length to ask it, for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from benchmarks.contribution.cost import WORDS
from torch import Tensor

from trimtab import Model, Prompt
from trimtab.contribution.method import Case
from trimtab.engine import Encoded, Predictor, encode
from trimtab.items import Item
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.modalities import PAIR
from trimtab.steering import default_layer
from trimtab.testing import picture


@dataclass(frozen=True, eq=False)
class Subject:
    """What is measured, and how long.

    Attributes:
        model: The model.
        tokens: About how many tokens a prompt has; pictures may make it longer.
        side: Pixels a side of each picture.
        batch: Prompts of a batch.
        new_tokens: Tokens of an answer.
        rounds: How often each way is timed.
        loop_rows: At most so many rows of a sweep are run by the plain loop; what all would take is computed.
    """

    model: Model
    tokens: int = 512
    side: int = 112
    batch: int = 4
    new_tokens: int = 16
    rounds: int = 3
    loop_rows: int = 32

    @cached_property
    def items(self) -> list[Item]:
        """Items that differ in their pictures alone, so that their prompts are equally long."""
        words = WORDS.split()
        low, high = 1, self.tokens
        while low < high:  # the longest context that stays within the length
            middle = (low + high + 1) // 2
            fits = len(encode(self.model, prompt_for(self._item(0, words, middle)))) <= self.tokens
            low, high = (middle, high) if fits else (low, middle - 1)
        return [self._item(number, words, low) for number in range(self.batch)]

    def _item(self, number: int, words: Sequence[str], count: int) -> Item:
        context = " ".join((list(words) * (count // len(words) + 1))[:count])
        return Item(
            id=f"item-{number}",
            task="color",
            question="What color is the sofa?",
            context=context,
            answer_image="red",
            answer_text="blue",
            image=picture(number, (self.side, self.side)),
        )

    @cached_property
    def prompts(self) -> list[Prompt]:
        """The items' prompts."""
        return [prompt_for(item) for item in self.items]

    @cached_property
    def encoded(self) -> Encoded:
        """The first prompt under an instruction, as the model takes it."""
        return encode(self.model, prompt_for(self.items[0], instruction=instruction_for("image")))

    @cached_property
    def case(self) -> Case:
        """The first item, to be scored."""
        return Case(self.items[0], self.prompts[0], encode(self.model, self.prompts[0]), PAIR)

    @cached_property
    def layer(self) -> int:
        """The layer that is steered."""
        return default_layer(self.model)

    @cached_property
    def predictor(self) -> Predictor:
        """A network that predicts vectors as small, of the size that the amortised method learns."""
        hidden, inner = self.model.hidden_size, 100
        sizes = ((inner, hidden), (inner,), (hidden, inner), (hidden,))
        generator = torch.Generator().manual_seed(0)
        return Predictor(*(1e-4 * torch.randn(size, generator=generator) / hidden**0.5 for size in sizes))

    @cached_property
    def direction(self) -> Tensor:
        """A steering vector so small that answers stay the same, and with them the work; ``(hidden,)``, CPU."""
        generator = torch.Generator().manual_seed(0)
        return 1e-4 * torch.randn(self.model.hidden_size, generator=generator) / self.model.hidden_size**0.5
