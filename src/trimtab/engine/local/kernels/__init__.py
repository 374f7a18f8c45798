"""One kernel for each kind of edit, found by its place: a new edit is its data, and a file here."""

from importlib import import_module
from pkgutil import iter_modules

from trimtab.engine.local.kernels.kernel import KERNELS, Kernel

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["KERNELS", "Kernel"]
