"""What helps to learn answers that need several steps; none of it is left in the trained model.

An answer that needs two steps is learned slowly from its last token alone: that an instruction names a modality,
or that an option is the right one, makes no difference for hundreds of steps, because the layers above do not use
it yet. A linear head on a middle layer rewards the layers below for knowing it. A pointer rewards one attention
head for looking, from the last prompt token, at the place from which the answer is to be copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_OPTIONS = 4
_TOLD_TOKENS = 20  # about as many as the question and what follows it have


class Labelled(Protocol):
    """What the heads need to know of a prompt."""

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens before the answer."""
        ...

    @property
    def told(self) -> int:
        """0: an instruction named the image, 1: the text, -1: neither."""
        ...

    @property
    def option_ends(self) -> tuple[int, ...]:
        """Where each option ends."""
        ...

    @property
    def right_option(self) -> int:
        """Which option is right."""
        ...


class Middle:
    """Keeps the newest output of a decoder layer."""

    def __init__(self, layer: nn.Module):
        self.states: Tensor | None = None
        layer.register_forward_hook(self._keep)

    def at(self, rows: Tensor, places: Tensor) -> Tensor:
        """Normalised states of some tokens, since a few of their dimensions are huge."""
        assert self.states is not None
        states = self.states[rows, places].float()
        return F.layer_norm(states, states.shape[-1:])

    def _keep(self, _module: nn.Module, _args: tuple, output: Any) -> None:
        self.states = output[0] if isinstance(output, tuple) else output


class ToldHead(nn.Linear):
    """Which modality the instruction named, read at the last prompt tokens of a lower layer."""

    def __init__(self, width: int, middle: Middle):
        super().__init__(width, 2)
        self._middle = middle

    def loss(self, rows: Sequence[Labelled]) -> Tensor:
        """Sum over the prompts that have an instruction."""
        told = torch.tensor([row.told for row in rows])
        if (told < 0).all():
            return torch.zeros(())
        scores = self._scores(rows)
        labels = told[:, None].expand(scores.shape[:2])
        losses = F.cross_entropy(scores.transpose(1, 2), labels, ignore_index=-1, reduction="none")
        return losses.mean(-1).sum()

    @torch.no_grad()
    def right(self, rows: Sequence[Labelled]) -> int:
        """How often the very last prompt token tells it."""
        return int((self._scores(rows)[:, 0].argmax(-1) == torch.tensor([row.told for row in rows])).sum())

    def _scores(self, rows: Sequence[Labelled]) -> Tensor:
        ends = torch.tensor([row.prompt_tokens for row in rows])
        places = (ends[:, None] - 1 - torch.arange(_TOLD_TOKENS)).clamp_min(0)
        return self(self._middle.at(torch.arange(len(rows))[:, None], places))


class OptionHead(nn.Linear):
    """Whether an option is right, and which letter it has, read at each option's last token."""

    def __init__(self, width: int, middle: Middle):
        super().__init__(width, 1 + MOST_OPTIONS)
        self._middle = middle

    def loss(self, rows: Sequence[Labelled]) -> Tensor:
        """Sum over the prompts that have options."""
        asked = [(number, row) for number, row in enumerate(rows) if row.option_ends]
        if not asked:
            return torch.zeros(())
        most = max(len(row.option_ends) for _, row in asked)
        places = torch.tensor([[*row.option_ends, *[0] * (most - len(row.option_ends))] for _, row in asked])
        missing = torch.arange(most) >= torch.tensor([len(row.option_ends) for _, row in asked])[:, None]
        numbers = torch.tensor([number for number, _ in asked])
        read = self(self._middle.at(numbers[:, None], places))
        right = read[..., 0].masked_fill(missing, -torch.inf)
        letters = torch.arange(most).expand_as(missing).masked_fill(missing, -1)
        return (
            F.cross_entropy(right, torch.tensor([row.right_option for _, row in asked]), reduction="sum")
            + F.cross_entropy(read[..., 1:].flatten(0, 1), letters.flatten(), ignore_index=-1, reduction="sum") / most
        )


class Pointer:
    """One attention head of a layer, rewarded for looking from the last prompt token at the right option's end."""

    def __init__(self, attention: nn.Module):
        cast(Any, attention).pointer = self
        self._seen: tuple[Tensor, Tensor] | None = None

    def take(self, query: Tensor, key: Tensor) -> None:
        """Keep a layer's rotated queries and keys, (rows, heads, tokens, width)."""
        self._seen = query[:, 0], key[:, 0]

    def loss(self, rows: Sequence[Labelled]) -> Tensor:
        """Sum of minus the log of that attention, over the prompts that have options."""
        assert self._seen is not None
        total = torch.zeros(())
        for number, row in enumerate(rows):
            if row.option_ends:
                query, key = (part[number, : row.prompt_tokens].float() for part in self._seen)
                attention = torch.log_softmax(key @ query[-1] * query.shape[-1] ** -0.5, -1)
                total = total - attention[row.option_ends[row.right_option]]
        return total
