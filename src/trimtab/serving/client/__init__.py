"""A server as an engine: ``connect``."""

from trimtab.serving.client.connecting import connect
from trimtab.serving.client.engine import ServedEngine

__all__ = ["ServedEngine", "connect"]
