"""Models of every family for our tests and yours: tiny random ones, and folders as released ones are. No network."""

from trimtab.testing.pictures import picture
from trimtab.testing.planted import planted_model
from trimtab.testing.realistic import RELEASES, SMALL, realistic_checkpoint
from trimtab.testing.tiny import TINY_FAMILIES, tiny_model

__all__ = ["RELEASES", "SMALL", "TINY_FAMILIES", "picture", "planted_model", "realistic_checkpoint", "tiny_model"]
