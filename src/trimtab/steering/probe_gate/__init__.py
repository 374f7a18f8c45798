"""Steers only the items for which a probe predicts that the model does not follow the target by itself."""

from trimtab.steering.probe_gate.method import ProbeGate, ProbeGateChooser

__all__ = ["ProbeGate", "ProbeGateChooser"]
