"""Gated drop: leave the other modalities out where the model sees a conflict."""

from trimtab.steering.gated_drop.method import GatedDrop

__all__ = ["GatedDrop"]
