"""The layer from which the lens prefers one answer for good (MAC, Nooralahzadeh et al., arXiv 2604.09364v2).

The Multimodal Arbitration Crossover is, by the paper's abstract, read by a logit lens at every layer of the competition
between the visual and the prior answer. Its formula was not to be had; here a case's crossover is the first layer from
which the sign of the margin stays what it finally is. Layer 0 means that the lens never preferred the other answer
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from pandas import DataFrame


LEAST = 0.01
"""Margins below this, in nats, count as none: what 16-bit logits leave of a margin."""


def crossover(margins: Sequence[float]) -> int:
    """Return the first layer from which margins, layer by layer, keep the sign of the last one.

    A margin of less than ``LEAST`` belongs to no side, so it interrupts.

    Raises:
        UsageError: There is no layer.
    """
    if not len(margins):
        raise UsageError("`margins` of crossover must hold one for each layer, at least one; got none.")
    signs = [(margin > LEAST) - (margin < -LEAST) for margin in margins]
    return next((layer + 1 for layer in range(len(signs) - 2, -1, -1) if signs[layer] != signs[-1]), 0)


def crossovers(table: DataFrame, span: str = "last") -> DataFrame:
    """Find the crossover of every case in a table of the lens.

    Args:
        table: What ``lens`` returned, of one norm.
        span: Where the lens is read; the paper's is the last token.

    Returns:
        A row for each case: ``id, task, target, label``; ``crossover``, the layer; and the margin of the named
        modality at the last layer, ``final``, and at half the depth, ``middle``.
    """
    from pandas import DataFrame

    margins: dict[tuple[str, str], list[float]] = {}
    first: dict[tuple[str, str], dict[str, Any]] = {}
    read: Any = table[table["span"] == span]
    for row in read.sort_values("layer", kind="stable").to_dict(orient="records"):
        case = row["id"], row["target"]
        margins.setdefault(case, []).append(row["following"] - row["competing"])
        first.setdefault(case, {name: row[name] for name in ("id", "task", "target", "label")})
    return DataFrame(
        [
            {**first[case], "crossover": crossover(own), "final": own[-1], "middle": own[len(own) // 2]}
            for case, own in margins.items()
        ]
    )
