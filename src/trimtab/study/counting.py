"""Counting the model's work, whoever asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from trimtab.data import Item
from trimtab.data.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import Artifact, answer

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass
class Work:
    """Forward passes of the text decoder and the positions in them, padding included."""

    passes: int = 0
    positions: int = 0


@contextmanager
def counted(model: Model) -> Iterator[Work]:
    """Count every pass of the decoder inside the block."""
    work = Work()

    def before(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        embeds = kwargs["inputs_embeds"] if "inputs_embeds" in kwargs else args[0]
        work.passes += 1
        work.positions += embeds.shape[0] * embeds.shape[1]

    handle = model.decoder.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield work
    finally:
        handle.remove()


def costs(model: Model, items: Sequence[Item], artifacts: Sequence[Artifact], max_new_tokens: int) -> DataFrame:
    """Answer items under each artifact by itself, one after another, and count.

    Returns:
        ``model, method, target, items, passes, positions`` of the decoder for one answer, and ``seconds``. Passes are
        those of single answers, so that batching hides nothing.
    """
    from pandas import DataFrame

    rows = []
    for artifact in artifacts:
        model.forget_images()
        started = time.perf_counter()
        with counted(model) as work:
            for item in items:
                answer(model, artifact.asks(model, [prompt_for(item)]), max_new_tokens=max_new_tokens)
        rows.append(
            {
                "model": model.name,
                "method": artifact.name,
                "target": artifact.target,
                "items": len(items),
                "passes": work.passes / len(items),
                "positions": work.positions / len(items),
                "seconds": (time.perf_counter() - started) / len(items),
            }
        )
    return DataFrame(rows)
