"""AMPS: Learn-to-Steer with vectors scaled by each item's modality contribution."""

from trimtab.steering.amps.factors import Reading, scaling
from trimtab.steering.amps.method import AMPS

__all__ = ["AMPS", "Reading", "scaling"]
