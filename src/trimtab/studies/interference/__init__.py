"""Interference as a study: the diagnosis, its effects with intervals, and the ablation of hardening."""

from trimtab.studies.interference.effect_tables import ALL, effects, worst_cases
from trimtab.studies.interference.hardening import HardeningStudy
from trimtab.studies.interference.plans import AblationPlan, InterferencePlan
from trimtab.studies.interference.study import InterferenceStudy

__all__ = [
    "ALL",
    "AblationPlan",
    "HardeningStudy",
    "InterferencePlan",
    "InterferenceStudy",
    "effects",
    "worst_cases",
]
