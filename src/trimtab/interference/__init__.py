"""Does an irrelevant modality harm the answer? Diagnosis, and fine-tuning the harm away (arXiv 2505.19616)."""

from trimtab.interference.diagnosis import Diagnosis, DiagnosisConfig, diagnose, spectrum
from trimtab.interference.hardening import AttackConfig, HardenConfig, Hardened, LoraConfig, harden, variant
from trimtab.interference.perturbations import PERTURBATIONS, Donors, perturb, register
from trimtab.interference.views import CLEAN, View, clean_view, with_relevant

__all__ = [
    "CLEAN",
    "PERTURBATIONS",
    "AttackConfig",
    "Diagnosis",
    "DiagnosisConfig",
    "Donors",
    "HardenConfig",
    "Hardened",
    "LoraConfig",
    "View",
    "clean_view",
    "diagnose",
    "harden",
    "perturb",
    "register",
    "spectrum",
    "variant",
    "with_relevant",
]
