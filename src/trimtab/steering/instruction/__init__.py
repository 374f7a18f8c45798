"""Prompting: ask the model to follow the target."""

from trimtab.steering.instruction.method import Instruction

__all__ = ["Instruction"]
