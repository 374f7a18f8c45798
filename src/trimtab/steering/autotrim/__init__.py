"""Autotrim: each item's strength by agreement with the model's own answer to the target alone."""

from trimtab.steering.autotrim.chooser import AutotrimChooser
from trimtab.steering.autotrim.method import Autotrim

__all__ = ["Autotrim", "AutotrimChooser"]
