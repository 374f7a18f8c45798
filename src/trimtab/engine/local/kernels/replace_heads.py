"""``ReplaceHeads``."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.edits import ReplaceHeads
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.heads import HeadKernel
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class ReplaceHeadsKernel(HeadKernel[ReplaceHeads]):
    """``ReplaceHeads`` on the outputs of a layer's heads."""

    edit = ReplaceHeads.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[ReplaceHeads],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        for row, edit in enumerate(edits):
            heads = list(edit.heads)
            self.factors[row, heads] = 0.0
            if edit.values is not None:
                self.values[row, heads] = edit.values.to(self.rows.device, torch.float32)
