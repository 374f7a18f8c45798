"""Tiny random models of every family, for our tests and yours. No network, no download, a second to build."""

from trimtab.testing.pictures import picture
from trimtab.testing.planted import planted_model
from trimtab.testing.tiny import TINY_FAMILIES, tiny_model

__all__ = ["TINY_FAMILIES", "picture", "planted_model", "tiny_model"]
