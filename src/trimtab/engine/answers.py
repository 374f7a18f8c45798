"""What was answered."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float32
from torch import Tensor

from trimtab.engine.cost import Cost
from trimtab.engine.receipt import Receipt

MAX_NEW_TOKENS = 16


@dataclass
class Answers:
    """Answers, one for each row.

    Attributes:
        texts: Decoded answers without special tokens.
        tokens: Generated ids, the stop token left out.
        finished: Whether the model stopped by itself.
        receipt: What the edits touched.
        cost: Work done.
        broken: The reason for each row, by its number from 0, whose edits left no finite numbers to choose a token by;
            its text is empty. Such rows are errors if ``generate`` was not told to ``keep_broken``.
        first_logits: What ``run`` reads of the same rows: the logits of each answer's first token, on the CPU; those of
            broken rows may not be finite. None if ``generate`` was not told to keep them.
    """

    texts: list[str] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)
    receipt: Receipt = field(default_factory=Receipt)
    cost: Cost = field(default_factory=Cost)
    broken: dict[int, str] = field(default_factory=dict)
    first_logits: Float32[Tensor, "rows vocabulary"] | None = None
