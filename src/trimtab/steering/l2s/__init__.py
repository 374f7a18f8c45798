"""Learn-to-Steer: a small network predicts each item's steering vector."""

from trimtab.steering.l2s.method import L2S
from trimtab.steering.l2s.network import NetworkConfig, fit_network

__all__ = ["L2S", "NetworkConfig", "fit_network"]
