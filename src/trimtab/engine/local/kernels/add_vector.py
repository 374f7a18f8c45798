"""``AddVector``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from trimtab.engine.edits import AddVector, Predictor, covered
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import KERNELS, Kernel, relative_size
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Entry
from trimtab.errors import UsageError
from trimtab.models import Model

AnyVectorEdit = TypeVar("AnyVectorEdit", bound=AddVector)


class VectorKernel(Kernel[AnyVectorEdit]):
    """Vectors added to the outputs of a layer, ``(rows, length, hidden)``."""

    @classmethod
    def apart(cls, edit: AnyVectorEdit) -> Hashable:
        """Return what tells networks apart: each predicts its own rows' vectors."""
        return id(edit.direction) if isinstance(edit.direction, Predictor) else None

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AnyVectorEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        device = self.rows.device
        self.strengths = torch.tensor([e.strength for e in edits], device=device)
        spans = [covered(e.positions, len(p)) for e, p in zip(edits, prompts, strict=True)]
        self.first, self.end = torch.tensor(spans, device=device).unbind(-1)
        direction = edits[0].direction
        self.predictor = direction.to(device) if isinstance(direction, Predictor) else None
        self.vectors: Tensor | None = None
        if self.predictor is None:
            vectors = [e.direction for e in edits if not isinstance(e.direction, Predictor)]
            self.vectors = torch.stack([vector.to(device, torch.float32) for vector in vectors])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the states with the rows' vectors added where the edits say."""
        index = place.index[self.rows]
        touched = (index >= 0) & (index >= self.first[:, None]) & (index < self.end[:, None])
        if self.predictor is not None:
            self._predict(states[self.rows], place.is_last_prompt[self.rows])
        columns = touched.any(0).nonzero().flatten().tolist()
        if not columns:
            return states
        if self.vectors is None:
            raise UsageError(
                "`prompt` must be computed in one pass where a vector that its last token predicts is added to earlier "
                "ones; the last token has not come yet; leave out prefill_chunk_size, or add the vector at "
                "'from_last_prompt'."
            )
        inside = slice(columns[0], columns[-1] + 1)  # of a long prompt, mostly the last position
        own, at = states[self.rows, inside], touched[:, inside]
        change = (self.strengths[:, None] * self.vectors)[:, None] * (at * self.gates(own))[..., None]
        states = states.clone()
        states[self.rows, inside] = own + change.to(states.dtype)
        sizes = torch.zeros_like(touched, dtype=torch.float32)
        sizes[:, inside] = relative_size(change, own)
        self.record(touched, place, sizes)
        return states

    def gates(self, states: Tensor) -> Tensor:
        """Return the share of the vector that each token gets, ``(rows, length)``."""
        return states.new_ones(states.shape[:2], dtype=torch.float32)

    def _predict(self, states: Tensor, is_last: Tensor) -> None:
        """Predict once, when a row's last prompt token passes by, and keep the vector while decoding."""
        assert self.predictor is not None
        if is_last.any():
            self.vectors = self.predictor(states[is_last])

    def keep(self, held: Tensor) -> None:
        """Keep the vectors of some rows."""
        self.strengths, self.first, self.end = self.strengths[held], self.first[held], self.end[held]
        if self.vectors is not None:
            self.vectors = self.vectors[held]


@KERNELS.register
class AddVectorKernel(VectorKernel[AddVector]):
    """``AddVector``: every token gets the whole vector."""

    edit = AddVector.__name__
