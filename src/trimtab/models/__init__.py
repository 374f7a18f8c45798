"""Loads multimodal models and knows their parts; the only package that knows Hugging Face module paths."""

from trimtab.models.adding import require_heads_added
from trimtab.models.emulation import emulated
from trimtab.models.family import FAMILIES, Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import FastTokenizer, HuggingFaceModel, Processor, as_processor
from trimtab.models.loading import DTYPES, from_parts, load
from trimtab.models.masks import NO_BLOCK, MaskRule, cut_before
from trimtab.models.model import Model
from trimtab.models.norms import NormKind
from trimtab.models.patches import COUNTERFACTUALS, Counterfactual, weighted_patches
from trimtab.models.processors import save_processors
from trimtab.models.publishing import write_published
from trimtab.models.refused import REFUSED
from trimtab.models.report import LoadReport
from trimtab.models.self_checks import self_check
from trimtab.models.showing import ENCODED_AT_ONCE
from trimtab.models.source import find
from trimtab.models.space import devices_of, free_bytes, out_of_memory, release, too_large
from trimtab.models.towers import tower_bytes
from trimtab.models.wrapping import wrap

__all__ = [
    "COUNTERFACTUALS",
    "DTYPES",
    "ENCODED_AT_ONCE",
    "FAMILIES",
    "NO_BLOCK",
    "REFUSED",
    "Counterfactual",
    "Family",
    "FastTokenizer",
    "HuggingFaceModel",
    "LoadReport",
    "MaskRule",
    "MediaInput",
    "Model",
    "NormKind",
    "Processor",
    "as_processor",
    "cut_before",
    "devices_of",
    "emulated",
    "find",
    "free_bytes",
    "from_parts",
    "load",
    "out_of_memory",
    "register",
    "release",
    "require_heads_added",
    "save_processors",
    "self_check",
    "too_large",
    "tower_bytes",
    "weighted_patches",
    "wrap",
    "write_published",
]
