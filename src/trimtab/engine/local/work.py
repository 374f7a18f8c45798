"""Questions made ready: encoded, and with the surrounding blocks' edits put before their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from trimtab.engine.contrast import Contrast
from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.encoding import check_length, encode
from trimtab.engine.local.kernels import KERNELS
from trimtab.engine.local.session import Session
from trimtab.engine.prompt import Prompt
from trimtab.engine.rows import Rows, as_questions, rows_of
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
    """Encode rows, a contrast's branch by branch; prompts given twice are encoded once.

    What is kept of a prompt is small, so that all rows can be planned together: its pictures are preprocessed and
    encoded when their batch is made.

    Args:
        model: The model.
        rows: The rows; their edits fit the model.
        new_tokens: Longest answer that will be asked for.

    Raises:
        UsageError: There is no row, or one is none.
        DataError: A prompt cannot be written, or is too long for the model.
        UnsupportedMethodError: An edit is of what its layer does not have.
    """
    ambient = tuple(edit for scope in Session.of(model).ambient for edit in scope.edits)
    encoded: dict[int, tuple[Prompt | Encoded, Encoded]] = {}
    work = []
    for number, question in enumerate(as_questions(rows)):
        contrast = question if isinstance(question, Contrast) else None
        for row in rows_of(question):
            prompt = row.prompt
            if id(prompt) not in encoded:
                encoded[id(prompt)] = prompt, prompt if isinstance(prompt, Encoded) else encode(model, prompt)
                check_length(model, encoded[id(prompt)][1], new_tokens)
            for edit in row.edits:
                KERNELS.named(type(edit).__name__, "`edits` of Row")
            require_sites(model, row.edits)
            work.append(Work(encoded[id(prompt)][1], ambient + tuple(row.edits), number, contrast))
    return work


def require_sites(model: Model, edits: Sequence[Edit]) -> None:
    """Refuse edits of what their layers do not have.

    Raises:
        UnsupportedMethodError: An edit of heads, masks or scores is for a layer that does not attend.
    """
    for edit in edits:
        if edit.site not in ("layer", "skip"):
            model.require_attending(edit.at_layers(model), type(edit).__name__)


def apart(work: Sequence[Work]) -> tuple[list[Work], list[list[Work]]]:
    """Return the plain rows, and the branches of each contrast; both in the order asked."""
    contrasts = [list(part) for _, part in groupby((w for w in work if w.contrast), lambda w: w.number)]
    return [w for w in work if w.contrast is None], contrasts
