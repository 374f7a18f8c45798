"""Load a multimodal model and know its parts: the only place that knows Hugging Face module paths."""

from trimtab.models.family import FAMILIES, Family, MediaInput, register
from trimtab.models.loading import from_parts, load
from trimtab.models.model import Model
from trimtab.models.patches import COUNTERFACTUALS, Counterfactual, weighted_patches
from trimtab.models.self_check import self_check

__all__ = [
    "COUNTERFACTUALS",
    "FAMILIES",
    "Counterfactual",
    "Family",
    "MediaInput",
    "Model",
    "from_parts",
    "load",
    "register",
    "self_check",
    "weighted_patches",
]
