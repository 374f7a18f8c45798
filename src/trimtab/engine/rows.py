"""What is asked of an engine: questions, checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trimtab.engine.contrast import Contrast
from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import Prompt
from trimtab.engine.row import Row
from trimtab.errors import UsageError

Question = Row | Contrast | Prompt | Encoded
"""What is asked once: a prompt by itself, with edits, or several rows as one."""

Rows = Sequence[Question] | Question
"""What is run: many questions, or one alone."""


def as_questions(rows: object) -> list[Row | Contrast]:
    """Return what was asked as a list of rows and contrasts.

    Raises:
        UsageError: It is nothing that can be asked, or nothing at all.
    """
    if isinstance(rows, Row | Contrast | Prompt | Encoded):
        rows = [rows]
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise UsageError(f"`rows` must be a list of Row or Prompt; got a {type(rows).__name__}; make a Prompt of it.")
    questions = [row if isinstance(row, (Row, Contrast)) else Row(row) for row in rows]
    for number, question in enumerate(questions):
        for row in rows_of(question):
            if not isinstance(row, Row) or not isinstance(row.prompt, (Prompt, Encoded)):
                kind = type(row.prompt if isinstance(row, Row) else row).__name__
                raise UsageError(
                    f"`rows` must hold Row, Contrast or Prompt; row {number} is a {kind}; make a Prompt of it."
                )
    if not questions:
        raise UsageError("`rows` must hold at least one row; got none.")
    return questions


def rows_of(question: Row | Contrast) -> Sequence[Row]:
    """Return a contrast's branches; a row by itself."""
    return question.rows if isinstance(question, Contrast) else (question,)
