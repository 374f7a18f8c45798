"""One kernel for each kind of edit, found by its place: a new edit is its data, and a file here."""

from trimtab.engine.local.kernels.kernel import KERNELS, Kernel
from trimtab.registry import import_inside

import_inside(__name__, __path__)

__all__ = ["KERNELS", "Kernel"]
