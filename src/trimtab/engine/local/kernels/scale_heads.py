"""``ScaleHeads``."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.engine.edits import ScaleHeads
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.heads import HeadKernel
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class ScaleHeadsKernel(HeadKernel[ScaleHeads]):
    """``ScaleHeads`` on the outputs of a layer's heads."""

    edit = ScaleHeads.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[ScaleHeads],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        for row, edit in enumerate(edits):
            self.factors[row, list(edit.heads)] = edit.factor
