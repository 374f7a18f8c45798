"""MERA's rule: the smallest shift that moves a state to where the target's states are."""

from trimtab.steering.minimal_shift.method import MinimalShift, MinimalShiftChooser

__all__ = ["MinimalShift", "MinimalShiftChooser"]
