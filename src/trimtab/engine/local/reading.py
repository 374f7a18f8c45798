"""Picking layer and head outputs off a forward pass, and putting rows' readings together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor, nn

from trimtab.engine.local.sites import layer_hooks
from trimtab.engine.read import Read, Readings
from trimtab.models import Model


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

    def keep_heads(layer: int) -> Callable[[nn.Module, tuple], None]:
        def hook(_module: nn.Module, args: tuple) -> None:
            found["heads", layer] = args[0].unflatten(-1, (model.n_heads, -1))

        return hook

    watched = hidden if stop is None else hidden | {stop}
    with ExitStack() as stack:
        stack.enter_context(layer_hooks(model, sorted(watched), keep))
        for layer in read.heads:
            number = layer % model.n_layers
            handle = model.head_outputs[number].register_forward_pre_hook(keep_heads(number))
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
