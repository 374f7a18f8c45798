"""Questions made ready: checked, encoded, and with the surrounding blocks' edits put before their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from trimtab.engine.checks import check_edits
from trimtab.engine.contrast import Contrast, Rows
from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.encoding import check_length, encode
from trimtab.engine.prompt import Prompt
from trimtab.engine.row import Row
from trimtab.errors import UsageError
from trimtab.models import Model


@dataclass(eq=False)
class Work:
    """A row made ready.

    Attributes:
        prompt: The prompt, encoded.
        edits: The surrounding blocks' edits and then its own.
        number: Place of its question in what was asked.
        contrast: The question, if it is a contrast; the row is one of its branches.
    """

    prompt: Encoded
    edits: tuple[Edit, ...]
    number: int = 0
    contrast: Contrast | None = None


def prepare(model: Model, rows: Rows, new_tokens: int = 0) -> list[Work]:
    """Check and encode rows, a contrast's branch by branch; prompts given twice are encoded once.

    What is kept of a prompt is small, so that all rows can be planned together: its pictures are preprocessed and
    encoded when their batch is made.

    Args:
        model: The model.
        rows: The rows.
        new_tokens: Longest answer that will be asked for.

    Raises:
        UsageError: There is no row, or one does not fit the model.
        DataError: A prompt cannot be written, or is too long for the model.
    """
    ambient = tuple(edit for scope in model.ambient for edit in scope.edits)
    encoded: dict[int, tuple[Prompt | Encoded, Encoded]] = {}
    work = []
    for number, question in enumerate(as_questions(rows)):
        contrast = question if isinstance(question, Contrast) else None
        for row in (question,) if contrast is None else contrast.rows:
            row = _as_row(row, number)
            prompt = row.prompt
            edits = check_edits(model, row.edits, "Row")
            if id(prompt) not in encoded:
                encoded[id(prompt)] = prompt, prompt if isinstance(prompt, Encoded) else encode(model, prompt)
                check_length(model, encoded[id(prompt)][1], new_tokens)
            work.append(Work(encoded[id(prompt)][1], ambient + edits, number, contrast))
    if not work:
        raise UsageError("`rows` must hold at least one row; got none.")
    return work


def as_questions(rows: Rows) -> Sequence[Any]:
    """Return what was asked as a sequence.

    Raises:
        UsageError: It is none.
    """
    if isinstance(rows, Row | Contrast | Prompt | Encoded):
        return [rows]
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise UsageError(f"`rows` must be a list of Row or Prompt; got a {type(rows).__name__}; make a Prompt of it.")
    return list(rows)


def _as_row(row: Any, number: int) -> Row:
    row = row if isinstance(row, Row) else Row(row)
    if not isinstance(row.prompt, (Prompt, Encoded)):
        raise UsageError(
            f"`rows` must hold Row, Contrast or Prompt; row {number} is a {type(row.prompt).__name__}; make a Prompt "
            "of it."
        )
    return row


def apart(work: Sequence[Work]) -> tuple[list[Work], list[list[Work]]]:
    """Return the plain rows, and the branches of each contrast; both in the order asked."""
    contrasts = [list(part) for _, part in groupby((w for w in work if w.contrast), lambda w: w.number)]
    return [w for w in work if w.contrast is None], contrasts
