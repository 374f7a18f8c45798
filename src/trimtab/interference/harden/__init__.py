"""Hardening: fine-tuning that takes interference away (arXiv 2505.19616, section on mitigation)."""

from trimtab.interference.harden.config import (
    PAPER,
    SEEN,
    VARIANTS,
    AttackConfig,
    HardenConfig,
    LoraConfig,
    variant,
)
from trimtab.interference.harden.cost import StepCost
from trimtab.interference.harden.harden import Hardened, check_harden_folder, harden

__all__ = [
    "PAPER",
    "SEEN",
    "VARIANTS",
    "AttackConfig",
    "HardenConfig",
    "Hardened",
    "LoraConfig",
    "StepCost",
    "check_harden_folder",
    "harden",
    "variant",
]
