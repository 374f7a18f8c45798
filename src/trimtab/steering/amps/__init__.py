"""AMPS: Learn-to-Steer with vectors scaled by each item's modality contribution."""

from trimtab.steering.amps.method import AMPS
from trimtab.steering.amps.scaling import Reading, scaling

__all__ = ["AMPS", "Reading", "scaling"]
