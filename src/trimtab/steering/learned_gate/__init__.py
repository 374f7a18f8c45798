"""Learned gate: the target alone where what each side says by itself looks like evidence."""

from trimtab.steering.learned_gate.chooser import LearnedGateChooser
from trimtab.steering.learned_gate.method import LearnedGate

__all__ = ["LearnedGate", "LearnedGateChooser"]
