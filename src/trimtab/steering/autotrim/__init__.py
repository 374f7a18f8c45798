"""Autotrim: each item gets the strength at which the answer agrees with the model's answer to the target alone."""

from trimtab.steering.autotrim.chooser import AutotrimChooser
from trimtab.steering.autotrim.method import Autotrim

__all__ = ["Autotrim", "AutotrimChooser"]
