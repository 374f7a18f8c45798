"""``FlattenAttention``."""

from __future__ import annotations

from trimtab.engine.edits import FlattenAttention
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.local.kernels.scores import LinearScoreKernel


@KERNELS.register
class FlattenAttentionKernel(LinearScoreKernel[FlattenAttention]):
    """``FlattenAttention``: the edit itself says by which multiples."""

    edit = FlattenAttention.__name__
