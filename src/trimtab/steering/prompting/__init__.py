"""Prompting beyond the plain instruction: reason first, see examples, or see one modality alone."""

from trimtab.steering.prompting.method import ChainOfThought, DropModality, FewShot

__all__ = ["ChainOfThought", "DropModality", "FewShot"]
