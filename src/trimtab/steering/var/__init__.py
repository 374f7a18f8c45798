"""VAR: moves attention from sink tokens to the target's other tokens."""

from trimtab.steering.var.method import VAR, SinkChooser

__all__ = ["VAR", "SinkChooser"]
