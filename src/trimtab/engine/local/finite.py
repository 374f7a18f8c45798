"""Numbers that are not finite are never handed on: the row is named, and whose doing it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from trimtab.engine.local.batch import Piece
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.work import Work
from trimtab.errors import NotFiniteError
from trimtab.models import Model


def finite_rows(values: Tensor) -> Tensor:
    """Return which rows, along the first axis, hold finite numbers only; one pass, no table of flags."""
    return values.flatten(1).sum(-1, dtype=torch.float64 if values.dtype == torch.float64 else torch.float32).isfinite()


def require_finite(model: Model, values: Tensor, rows: Sequence[int], what: str = "logits") -> None:
    """Refuse rows that hold NaN or infinity.

    Args:
        model: The model.
        values: What was computed, rows along the first axis.
        rows: Their numbers, counted from 0.
        what: What to call the values.

    Raises:
        NotFiniteError: With the first row's number.
    """
    finite = finite_rows(values)
    if finite.all():
        return
    bad = tuple(rows[row] for row in (~finite).nonzero()[:, 0].tolist())
    raise NotFiniteError(_from_model(model, bad, what), bad)


def keep_finite(model: Model, logits: Tensor, rows: Sequence[int], edited: Callable[[int], bool]) -> Tensor:
    """Return which rows of logits hold NaN or infinity that their edits may have made; others are refused.

    Args:
        model: The model.
        logits: ``(rows, vocabulary)``.
        rows: Their numbers, counted from 0.
        edited: Whether a row, by its number, has edits.

    Returns:
        The places of such rows among ``rows``, ascending.

    Raises:
        NotFiniteError: A row without edits is among them.
    """
    bad = (~finite_rows(logits)).nonzero()[:, 0]
    own = [rows[place] for place in bad.tolist() if not edited(rows[place])]
    if own:
        raise NotFiniteError(_from_model(model, own, "logits"), tuple(own))
    return bad


def blame_edits(model: Model, work: Sequence[Work], rows: Iterable[int]) -> dict[int, str]:
    """Say of rows without finite logits which edits made them so; each prompt is run once more without edits.

    Returns:
        The reason by row.

    Raises:
        NotFiniteError: A prompt's logits are not finite without edits either: the model itself makes them so.
    """
    reasons: dict[int, str] = {}
    sound: set[int] = set()
    by_number = {own.number: own for own in work}
    for row in sorted(rows):
        own = by_number[row]
        if id(own.prompt) not in sound and not _finite_without_edits(model, own):
            raise NotFiniteError(_from_model(model, [row], "logits"), (row,))
        sound.add(id(own.prompt))
        reasons[row] = f"its logits are not finite in {_dtype(model)} under {_edits_of([own])}"
    return reasons


@contextmanager
def explained(model: Model, work: Sequence[Work]) -> Iterator[None]:
    """Say of a row whose numbers are not finite whether its edits made them so: it is run once more without them."""
    try:
        yield
    except NotFiniteError as error:
        if not error.rows:
            raise
        row = error.rows[0]
        own = [w for w in work if w.number == row]
        if not any(w.edits for w in own) or not all(_finite_without_edits(model, w) for w in own):
            raise
        raise NotFiniteError(
            f"`edits` of row {row} must leave the logits of {model.name} finite in {_dtype(model)}; without "
            f"{_edits_of(own)} they are, with it they hold NaN or infinity; lower the strength.",
            error.rows,
        ) from error


def _finite_without_edits(model: Model, row: Work) -> bool:
    batch = RowBatch([0], [row.number], [Piece(row.prompt, 0, len(row.prompt))], None, [()])
    hidden = forward_tails(model, batch, batch.session(model), keep_cache=False).hidden
    return bool(finite_rows(model.logits(hidden[:, -1])).all())


def _from_model(model: Model, rows: Sequence[int], what: str) -> str:
    others = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    remedy = "load the model with dtype='float32'" if model.dtype != torch.float32 else "check its weights and pictures"
    if model.dtype == torch.float16:
        remedy = "load the model with dtype='bfloat16' or 'float32', which hold larger numbers"
    return (
        f"`{what}` of {model.name} must be finite; those of row {rows[0]}{others}, computed in {_dtype(model)}, hold "
        f"NaN or infinity; {remedy}."
    )


def _edits_of(rows: Sequence[Work]) -> str:
    return ", ".join(dict.fromkeys(_described(edit) for row in rows for edit in row.edits))


def _described(edit: object) -> str:
    words = [str(getattr(edit, "name", type(edit).__name__))]
    for name in ("layer", "strength"):
        if hasattr(edit, name):
            words.append(f"{name} {getattr(edit, name):g}")
    return ", ".join(words)


def _dtype(model: Model) -> str:
    return str(model.dtype).removeprefix("torch.")
