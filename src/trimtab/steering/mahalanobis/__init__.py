"""In-distribution steering: the largest strength that keeps the state in the target's distribution."""

from trimtab.steering.mahalanobis.method import Mahalanobis, MahalanobisChooser

__all__ = ["Mahalanobis", "MahalanobisChooser"]
