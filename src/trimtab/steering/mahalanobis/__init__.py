"""Strength capped by how far the state may leave the target's cloud: in-distribution steering."""

from trimtab.steering.mahalanobis.method import Mahalanobis, MahalanobisChooser

__all__ = ["Mahalanobis", "MahalanobisChooser"]
