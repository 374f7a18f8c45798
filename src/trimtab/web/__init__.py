"""What runs in a browser: the playground. It serves this machine, and asks no other for anything."""

from trimtab.web.playground import LIMITS, Limits, Playground, Shown, Steered

__all__ = ["LIMITS", "Limits", "Playground", "Shown", "Steered"]
