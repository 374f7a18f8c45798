"""What tells an added vector from others, whatever its strength: the same on a server and on its clients."""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

from trimtab.engine import AddVector, Predictor


def place_of(edit: AddVector) -> dict[str, Any]:
    """Return where an edit adds which vector: its layer, its rule of positions, and a digest of its numbers."""
    return {"layer": edit.layer, "positions": edit.positions, "vector": digest_of(edit.direction)}


def digest_of(direction: Tensor | Predictor) -> str:
    """Return a digest of a vector, or of the network that predicts one, in float32."""
    parts = [direction]
    if isinstance(direction, Predictor):
        parts = [direction.w_in, direction.b_in, direction.w_out, direction.b_out]
    told = hashlib.sha256()
    for tensor in parts:
        assert isinstance(tensor, Tensor)
        told.update(f"{tuple(tensor.shape)}".encode())
        told.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return told.hexdigest()
