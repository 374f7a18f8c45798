"""The smallest shift that takes a state where the target's states are: MERA's rule."""

from trimtab.steering.minimal_shift.method import MinimalShift, MinimalShiftChooser

__all__ = ["MinimalShift", "MinimalShiftChooser"]
