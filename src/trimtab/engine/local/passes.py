"""Counting the decoder's forward passes, whoever asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from trimtab.models import Model


@dataclass
class Passes:
    """Forward passes of the text decoder and the positions in them, padding included."""

    passes: int = 0
    positions: int = 0


@contextmanager
def counted(model: Model) -> Iterator[Passes]:
    """Count every pass of the decoder inside the block, also those that stop early or fail."""
    work = Passes()

    def before(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        embeds = kwargs["inputs_embeds"] if "inputs_embeds" in kwargs else args[0]
        work.passes += 1
        work.positions += embeds.shape[0] * embeds.shape[1]

    handle = model.decoder.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield work
    finally:
        handle.remove()


@contextmanager
def added(model: Model, tries: Passes) -> Iterator[None]:
    """Add the passes of the block to those of tries before it, though it fails."""
    with counted(model) as work:
        try:
            yield
        finally:
            tries.passes += work.passes
