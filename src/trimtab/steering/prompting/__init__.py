"""Other ways of prompting: reasoning first, examples, or one modality alone."""

from trimtab.steering.prompting.method import ChainOfThought, DropModality, FewShot

__all__ = ["ChainOfThought", "DropModality", "FewShot"]
