"""Folders laid out as released checkpoints are, with random weights: what loads from them loads from the real ones."""

from trimtab.testing.realistic.checkpoint import realistic_checkpoint
from trimtab.testing.realistic.releases import RELEASES, SMALL, Sizes

__all__ = ["RELEASES", "SMALL", "Sizes", "realistic_checkpoint"]
