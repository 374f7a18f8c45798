"""``ShiftHeads``."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.edits import ShiftHeads
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.heads import HeadKernel
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class ShiftHeadsKernel(HeadKernel[ShiftHeads]):
    """``ShiftHeads`` on the outputs of a layer's heads."""

    edit = ShiftHeads.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[ShiftHeads],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        for row, edit in enumerate(edits):
            if edit.values is not None:
                self.values[row, list(edit.heads)] = edit.strength * edit.values.to(self.rows.device, torch.float32)
