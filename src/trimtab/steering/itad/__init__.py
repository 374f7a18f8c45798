"""iTaD: contrasts the last layer with an earlier one that looks elsewhere in the picture."""

from trimtab.steering.itad.method import EarlyExitChooser, ITaD

__all__ = ["EarlyExitChooser", "ITaD"]
