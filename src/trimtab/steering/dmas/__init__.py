"""DMAS: vectors for the heads, of the cluster of training items that the prompt is most like."""

from trimtab.steering.dmas.chooser import ClusterChooser
from trimtab.steering.dmas.method import DMAS

__all__ = ["DMAS", "ClusterChooser"]
