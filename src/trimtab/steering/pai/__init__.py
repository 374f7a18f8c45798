"""PAI: raises the attention on the target's tokens."""

from trimtab.steering.pai.method import PAI

__all__ = ["PAI"]
