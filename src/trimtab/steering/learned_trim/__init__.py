"""Learned trim: small networks infer each item's edit in the one forward pass."""

from trimtab.steering.learned_trim.chooser import LearnedTrimChooser
from trimtab.steering.learned_trim.method import LearnedTrim
from trimtab.steering.learned_trim.training import TrainingConfig

__all__ = ["LearnedTrim", "LearnedTrimChooser", "TrainingConfig"]
