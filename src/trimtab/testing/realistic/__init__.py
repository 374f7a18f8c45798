"""Folders laid out as released checkpoints are, with random weights: what loads from them loads from the real ones."""

from trimtab.testing.realistic import families  # noqa: F401  (importing families registers their releases)
from trimtab.testing.realistic.checkpoint import realistic_checkpoint
from trimtab.testing.realistic.published import RELEASES
from trimtab.testing.realistic.sizes import SMALL, Sizes

__all__ = ["RELEASES", "SMALL", "Sizes", "realistic_checkpoint"]
