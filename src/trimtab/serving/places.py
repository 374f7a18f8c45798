"""What tells an edit from others, whatever its strength: the same on a server and on its clients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, TypeGuard

from torch import Tensor

from trimtab.engine import AddVector, Edit, Predictor, ReplaceHeads, ScaleHeads

ServedEdit = AddVector | ScaleHeads | ReplaceHeads
"""What a server can do to a single request in its one pass."""


def is_served(edit: Edit) -> TypeGuard[ServedEdit]:
    """Say whether an edit is of a kind that a server can make."""
    return type(edit) in (AddVector, ScaleHeads, ReplaceHeads)


def site_of(edit: ServedEdit) -> tuple[str, int]:
    """Return where in the model an edit acts: what of the layer, and which layer."""
    return edit.site, edit.layer


def rule_of(edit: ServedEdit) -> str:
    """Return the rule of positions that an edit keeps to."""
    return edit.positions if isinstance(edit, AddVector) else "+".join(map(str, edit.at))


def amount_of(edit: ServedEdit) -> float:
    """Return by how much an edit changes the model: 0 leaves it as it is, and heads are replaced by -1."""
    if isinstance(edit, AddVector):
        return edit.strength
    return edit.factor - 1.0 if isinstance(edit, ScaleHeads) else -1.0


def place_of(edit: ServedEdit) -> dict[str, Any]:
    """Return where an edit does what: its kind, layer, rule of positions, and a digest of its numbers."""
    return {
        "edit": type(edit).__name__,
        "layer": edit.layer,
        "positions": rule_of(edit),
        "digest": digest_of(edit.direction) if isinstance(edit, AddVector) else _digest_of_heads(edit),
    }


def digest_of(direction: Tensor | Predictor) -> str:
    """Return a digest of a vector, or of the network that predicts one, in float32."""
    if isinstance(direction, Predictor):
        return _digest((direction.w_in, direction.b_in, direction.w_out, direction.b_out))
    return _digest((direction,))


def _digest_of_heads(edit: ScaleHeads | ReplaceHeads) -> str:
    values = edit.values if isinstance(edit, ReplaceHeads) else None
    return _digest(() if values is None else (values,), repr(tuple(edit.heads)))


def _digest(tensors: Iterable[Tensor], text: str = "") -> str:
    told = hashlib.sha256(text.encode())
    for tensor in tensors:
        told.update(f"{tuple(tensor.shape)}".encode())
        told.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return told.hexdigest()
