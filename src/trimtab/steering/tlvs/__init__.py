"""TLVS: a vector whose strength each token sets by how much it depends on what is shown."""

from trimtab.steering.tlvs.method import TLVS, GateChooser

__all__ = ["TLVS", "GateChooser"]
