"""The passes that rows will take, told by the same plan without running them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.engine.local.batching import Place, parts_of, rows_that_fit, worth_it
from trimtab.engine.local.session import Session
from trimtab.engine.local.shared_attention import ROWS
from trimtab.engine.local.work import Work, prepare
from trimtab.engine.read import Read
from trimtab.engine.rows import Rows
from trimtab.models import Model


@dataclass(frozen=True)
class Foreseen:
    """The passes of one batch: over the prefixes that its rows share, and over what is left of the rows.

    Attributes:
        prefixes: Tokens of each prefix; none if the rows share nothing.
        rows: Rows.
        length: Tokens of the longest row behind its prefix.
        padded: Whether the rows' lengths differ.
        copied: Whether each row gets a copy of its prefix when a layer attends.
        layers: Layers that are run.
        media: Positions of each medium that the rows show.
    """

    prefixes: tuple[int, ...]
    rows: int
    length: int
    padded: bool
    copied: bool
    layers: int
    media: tuple[int, ...]

    @property
    def prefix(self) -> int:
        """Tokens of the longest prefix; 0 if there is none."""
        return max(self.prefixes, default=0)


def foreseen(model: Model, rows: Rows, read: Read | None = None) -> Iterator[Foreseen]:
    """Say which passes rows will take.

    Args:
        model: The model.
        rows: The rows.
        read: What will be read; None for answers.

    Yields:
        The batches, in order.
    """
    work = prepare(model, rows)
    size = Session.of(model).batch_size or rows_that_fit(model, work)
    deepest = read.deepest(model) if read is not None and not read.logits else None
    layers = model.n_layers if deepest is None else deepest + 1
    for part in parts_of(model, work, read):
        most = min(size, worth_it(model, work, part))
        for start in range(0, len(part), most):
            yield _one(model, work, part[start : start + most], layers)


def _one(model: Model, work: list[Work], chunk: list[Place], layers: int) -> Foreseen:
    prefixes: dict[int, int] = {}  # of equal prompts, the shorter ones are the longest one's first tokens
    for group in dict.fromkeys(group for group, _ in chunk):
        first = id(work[group.rows[0]].prompt)
        prefixes[first] = max(group.shared, prefixes.get(first, 0))
    shared = tuple(length for length in prefixes.values() if length)
    lengths = [len(work[row].prompt) - group.shared for group, row in chunk]
    copied = max(lengths) > max(model.head_dims) or len(chunk) < ROWS * len(shared)  # see ``shared_attention``
    media = {m.key: m.n_tokens for _, row in chunk for m in work[row].prompt.media}
    return Foreseen(shared, len(chunk), max(lengths), len(set(lengths)) > 1, copied, layers, tuple(media.values()))
