"""Mean steering: one vector for all items."""

from trimtab.steering.mean.method import MeanDifference

__all__ = ["MeanDifference"]
