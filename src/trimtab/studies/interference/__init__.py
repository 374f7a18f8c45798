"""Interference as a study: effects with intervals, run folders, and the ablation of hardening."""

from trimtab.studies.interference.ablation import AblationPlan, read_ablation, run_ablation
from trimtab.studies.interference.effects import ALL, effects, worst_cases
from trimtab.studies.interference.run import InterferencePlan, read_interference, run_interference

__all__ = [
    "ALL",
    "AblationPlan",
    "InterferencePlan",
    "effects",
    "read_ablation",
    "read_interference",
    "run_ablation",
    "run_interference",
    "worst_cases",
]
