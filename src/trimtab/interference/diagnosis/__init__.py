"""Diagnosis: compares answers with and without a perturbation of the irrelevant modality."""

from trimtab.interference.diagnosis.config import IRRELEVANT, SCORINGS, DiagnosisConfig, Scoring
from trimtab.interference.diagnosis.diagnosis import Diagnosis, diagnose
from trimtab.interference.diagnosis.distances import js, kl, total_variation
from trimtab.interference.diagnosis.spectrum_test import SPECTRUM, spectrum
from trimtab.interference.diagnosis.ways import WAYS, Way
from trimtab.interference.diagnosis.worst import MINIMUM, WorstCase, worst_case

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
