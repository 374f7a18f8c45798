"""Hardening: fine-tuning that reduces interference (arXiv 2505.19616, section on mitigation)."""

from trimtab.interference.hardening.config import (
    PAPER,
    SEEN,
    VARIANTS,
    AttackConfig,
    HardenConfig,
    LoraConfig,
    usual,
    variant,
)
from trimtab.interference.hardening.cost import StepCost
from trimtab.interference.hardening.fine_tuning import Hardened, check_harden_folder, harden
from trimtab.interference.hardening.processes import leads
from trimtab.interference.hardening.schedule import Schedule

__all__ = [
    "PAPER",
    "SEEN",
    "VARIANTS",
    "AttackConfig",
    "HardenConfig",
    "Hardened",
    "LoraConfig",
    "Schedule",
    "StepCost",
    "check_harden_folder",
    "harden",
    "leads",
    "usual",
    "variant",
]
