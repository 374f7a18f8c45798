"""``BoostAttention``."""

from __future__ import annotations

from trimtab.engine.edits import BoostAttention
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.local.kernels.scores import LinearScoreKernel


@KERNELS.register
class BoostAttentionKernel(LinearScoreKernel[BoostAttention]):
    """``BoostAttention``: the edit itself says by which multiples."""

    edit = BoostAttention.__name__
