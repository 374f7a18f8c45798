"""What to read off a run, and what was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.engine.capability import Sizes
from trimtab.engine.cost import Cost
from trimtab.engine.edits import check_layer
from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import SPANS
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError


@dataclass(frozen=True)
class Read:
    """What to read.

    Attributes:
        logits: Next-token logits.
        hidden: Layers whose outputs to read, edits included.
        heads: Layers whose heads' outputs to read, before the output projection.
        at: ``"last"``: the last prompt token; ``"all"``: every prompt token; a span's name; or several names, for
            the tokens of all of them in the prompt's order.
        top: Log-probabilities of so many of the likeliest next tokens, at the last prompt token; 0 for none.
    """

    logits: bool = True
    hidden: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    at: str | tuple[str, ...] = "last"
    top: int = 0

    def check(self, model: Sizes) -> None:
        """Refuse a request that does not fit the model.

        Raises:
            UsageError: An unknown layer or span, or nothing to read.
        """
        for name in ("hidden", "heads"):
            layers = getattr(self, name)
            if not isinstance(layers, (tuple, list)):
                raise UsageError(f"`{name}` of Read must be a tuple of layers, such as (1,); got {layers!r}.")
            for layer in layers:
                check_layer(model, layer, "Read")
        named = isinstance(self.at, (str, tuple, list)) and self.names
        if not named or any(name not in SPANS for name in self.names if self.at != "all"):
            raise UsageError(f"`at` of Read must be 'all' or one or more of {', '.join(SPANS)}; got {self.at!r}.")
        if isinstance(self.top, bool) or not isinstance(self.top, int) or self.top < 0:
            raise UsageError(f"`top` of Read must be a number of tokens from 0; got {self.top!r:.50}.")
        if self.top and self.at != "last":
            raise UsageError(f"`top` of Read must come with at='last'; got at={self.at!r}; read it apart.")
        if not (self.logits or self.hidden or self.heads or self.top):
            raise UsageError("`Read` must ask for logits, hidden, heads or top; got none of them.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in ``at``."""
        return (self.at,) if isinstance(self.at, str) else self.at

    def indices(self, prompt: Encoded) -> Int[Tensor, " n"]:
        """Return the token indices to read in a prompt."""
        if self.at == "all":
            return torch.arange(len(prompt), device=prompt.ids.device)
        return torch.cat([prompt.span(name) for name in self.names]).unique()

    def deepest(self, model: Sizes) -> int:
        """Return the last layer that must run when no logits are wanted."""
        return max(layer % model.n_layers for layer in (*self.hidden, *self.heads))


@dataclass
class Readings:
    """What was read, a row of the first axis for each row of the run.

    Attributes:
        logits: ``(rows, vocabulary)`` at one position a row, else a list of ``(positions, vocabulary)``.
        hidden: By layer, ``(rows, hidden)``, else a list of ``(positions, hidden)``.
        heads: By layer, ``(rows, heads, head_dim)``, else a list of ``(positions, heads, head_dim)``.
        top: Log-probabilities of each row's likeliest next tokens by their ids, the likeliest first.
        receipt: What the rows' own edits touched; a surrounding ``applied`` block has a receipt of its own.
        cost: Tokens computed, and tokens that full passes would have computed.
    """

    logits: Any = None
    hidden: dict[int, Any] = field(default_factory=dict)
    heads: dict[int, Any] = field(default_factory=dict)
    top: list[dict[int, float]] | None = None
    receipt: Receipt = field(default_factory=Receipt)
    cost: Cost = field(default_factory=Cost)


def likeliest(logits: Float[Tensor, "rows vocabulary"], count: int) -> list[dict[int, float]]:
    """Return the log-probabilities of each row's likeliest tokens by their ids, the likeliest first.

    Args:
        logits: Next-token logits.
        count: How many, or as many as there are.
    """
    found = logits.log_softmax(-1).topk(min(count, logits.shape[-1]))
    pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return [dict(zip(tokens, values, strict=True)) for tokens, values in pairs]
