"""Counting the model's work, whoever asks for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trimtab.engine import forget_media, generate
from trimtab.engine.local.whitebox import Passes as Work
from trimtab.engine.local.whitebox import counted
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import Artifact

__all__ = ["Work", "costs", "counted"]

if TYPE_CHECKING:
    from pandas import DataFrame


def costs(model: Model, items: Sequence[Item], artifacts: Sequence[Artifact], max_new_tokens: int) -> DataFrame:
    """Answer items under each artifact by itself, one after another, and count.

    Returns:
        ``model, method, target, items, passes, positions`` of the decoder for one answer, and ``seconds``. Passes are
        those of single answers, so that batching hides nothing.
    """
    from pandas import DataFrame

    rows = []
    for artifact in artifacts:
        forget_media(model)
        started = time.perf_counter()
        with counted(model) as work:
            for item in items:
                asks = artifact.asks(model, [prompt_for(item)])
                generate(model, asks, max_new_tokens=max_new_tokens, keep_broken=True)
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
