"""Load a vision-language model and know its parts: the only place that knows Hugging Face module paths."""

from trimtab.models.family import FAMILIES, Family, Pixels
from trimtab.models.loading import load
from trimtab.models.model import Model
from trimtab.models.patches import COUNTERFACTUALS, Counterfactual, weighted_patches

__all__ = [
    "COUNTERFACTUALS",
    "FAMILIES",
    "Counterfactual",
    "Family",
    "Model",
    "Pixels",
    "load",
    "weighted_patches",
]
