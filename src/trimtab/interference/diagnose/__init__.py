"""Diagnosis: answers with and without a perturbation of what does not matter."""

from trimtab.interference.diagnose.config import IRRELEVANT, SCORINGS, DiagnosisConfig, Scoring
from trimtab.interference.diagnose.diagnosis import Diagnosis, diagnose
from trimtab.interference.diagnose.distances import js, kl, total_variation
from trimtab.interference.diagnose.spectrum import SPECTRUM, spectrum
from trimtab.interference.diagnose.ways import WAYS, Way
from trimtab.interference.diagnose.worst import MINIMUM, WorstCase, worst_case

__all__ = [
    "IRRELEVANT",
    "MINIMUM",
    "SCORINGS",
    "SPECTRUM",
    "WAYS",
    "Diagnosis",
    "DiagnosisConfig",
    "Scoring",
    "Way",
    "WorstCase",
    "diagnose",
    "js",
    "kl",
    "spectrum",
    "total_variation",
    "worst_case",
]
