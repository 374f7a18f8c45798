"""Load a vision-language model and know its parts: the only place that knows Hugging Face module paths."""

from trimtab.models.family import FAMILIES, Family, Pixels
from trimtab.models.load import load
from trimtab.models.model import Model

__all__ = ["FAMILIES", "Family", "Model", "Pixels", "load"]
