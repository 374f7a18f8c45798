"""Contrastive decoding, against the same prompt without the target: VCD, VDD and CausalMM."""

from trimtab.steering.contrastive.method import VCD, VDD, CausalMM

__all__ = ["VCD", "VDD", "CausalMM"]
