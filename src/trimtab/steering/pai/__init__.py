"""PAI: pay attention to the image, or, in a mirror, to the context."""

from trimtab.steering.pai.method import PAI

__all__ = ["PAI"]
