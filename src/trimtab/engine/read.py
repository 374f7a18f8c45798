"""What to read off a run, and what was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import check_layer
from trimtab.engine.local.encoding import Encoded
from trimtab.engine.local.hooks import layer_hooks
from trimtab.engine.prompt import SPANS
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.models import Model


@dataclass(frozen=True)
class Read:
    """What to read.

    Attributes:
        logits: Next-token logits.
        hidden: Layers whose outputs to read, edits included.
        heads: Layers whose heads' outputs to read, before the output projection.
        at: ``"last"``: the last prompt token; ``"all"``: every prompt token; a span's name; or several names, for
            the tokens of all of them in the prompt's order.
    """

    logits: bool = True
    hidden: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    at: str | tuple[str, ...] = "last"

    def check(self, model: Model) -> None:
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
        if not (self.logits or self.hidden or self.heads):
            raise UsageError("`Read` must ask for logits, hidden or heads; got none of them.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in ``at``."""
        return (self.at,) if isinstance(self.at, str) else self.at

    def indices(self, prompt: Encoded) -> Tensor:
        """Return the token indices to read in a prompt."""
        if self.at == "all":
            return torch.arange(len(prompt), device=prompt.ids.device)
        return torch.cat([prompt.span(name) for name in self.names]).unique()

    def deepest(self, model: Model) -> int:
        """Return the last layer that must run when no logits are wanted."""
        return max(layer % model.n_layers for layer in (*self.hidden, *self.heads))


@dataclass
class Readings:
    """What was read, a row of the first axis for each row of the run.

    Attributes:
        logits: ``(rows, vocabulary)`` at one position a row, else a list of ``(positions, vocabulary)``.
        hidden: By layer, ``(rows, hidden)``, else a list of ``(positions, hidden)``.
        heads: By layer, ``(rows, heads, head_dim)``, else a list of ``(positions, heads, head_dim)``.
        receipt: What the rows' own edits touched; a surrounding ``applied`` block has a receipt of its own.
        cost: Tokens computed, and tokens that full passes would have computed.
    """

    logits: Any = None
    hidden: dict[int, Any] = field(default_factory=dict)
    heads: dict[int, Any] = field(default_factory=dict)
    receipt: Receipt = field(default_factory=Receipt)
    cost: Cost = field(default_factory=lambda: Cost())


@dataclass
class Cost:
    """Work done.

    Attributes:
        rows: Rows asked for.
        passes: Forward passes of the decoder that were made: for shared prefixes, for tails, for each layer that rows
            begin late at, for each token that is decoded, and for batches that did not fit and were cut.
        tokens: Token positions of prompts computed, in all layers or from a later one on, padding left out.
        naive_tokens: Token positions that one full pass a row would have computed.
    """

    rows: int = 0
    passes: int = 0
    tokens: int = 0
    naive_tokens: int = 0

    def add(self, other: Cost) -> None:
        """Add another run's work."""
        self.rows += other.rows
        self.passes += other.passes
        self.tokens += other.tokens
        self.naive_tokens += other.naive_tokens


class StopForward(Exception):  # noqa: N818  (control flow, not an error)
    """Raised by a hook once the deepest layer asked for has been read."""


@contextmanager
def reading(model: Model, read: Read) -> Iterator[dict[tuple[str, int], Tensor]]:
    """Collect layer outputs and head outputs of the forward pass inside the block.

    Attach it after the edits, so that it reads edited states.
    """
    found: dict[tuple[str, int], Tensor] = {}
    hidden = {layer % model.n_layers for layer in read.hidden}
    stop = None if read.logits else read.deepest(model)

    def keep(layer: int, output: Tensor) -> None:
        if layer in hidden:
            found["hidden", layer] = output
        if layer == stop:
            raise StopForward

    def keep_heads(layer: int) -> Any:
        def hook(_module: nn.Module, args: tuple) -> None:
            found["heads", layer] = args[0].unflatten(-1, (model.n_heads, model.head_dim))

        return hook

    watched = hidden if stop is None else hidden | {stop}
    with ExitStack() as stack:
        stack.enter_context(layer_hooks(model, sorted(watched), keep))
        for layer in read.heads:
            handle = model.head_outputs[layer].register_forward_pre_hook(keep_heads(layer % model.n_layers))
            stack.callback(handle.remove)
        yield found


def assemble(model: Model, readings: Readings, values: list[dict[tuple[str, int], Tensor]], read: Read) -> Readings:
    """Stack the rows' readings where each row has one position, else list them."""
    single = read.at == "last"
    joined: dict[tuple[str, int], Tensor | list[Tensor]] = {}
    for key in list(values[0]):
        if not single:
            joined[key] = [own[key] for own in values]
            continue
        first = values[0][key]
        whole = first.new_empty(len(values), *first.shape[1:])
        for row, own in enumerate(values):  # each is let go of as it is copied: logits of many rows are large
            whole[row] = own.pop(key)[0]
        joined[key] = whole
    readings.logits = joined.get(("logits", 0))
    readings.hidden = {layer: joined["hidden", layer % model.n_layers] for layer in read.hidden}
    readings.heads = {layer: joined["heads", layer % model.n_layers] for layer in read.heads}
    return readings
