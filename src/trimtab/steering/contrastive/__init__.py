"""Contrastive decoding: VCD, CausalMM, and VDD with a text-ward mirror."""

from trimtab.steering.contrastive.method import VCD, VDD, CausalMM

__all__ = ["VCD", "VDD", "CausalMM"]
