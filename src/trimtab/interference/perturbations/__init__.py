"""Perturbations of the irrelevant modality: registered by name, seeded, composable."""

from trimtab.interference.perturbations import clips, images, shuffles, sounds, texts  # noqa: F401  (each registers its kinds)
from trimtab.interference.perturbations.base import (
    PERTURBATIONS,
    Draw,
    Perturbation,
    fitting,
    perturb,
    register,
)
from trimtab.interference.perturbations.donors import Donors, donors_without_fixed_points

__all__ = [
    "PERTURBATIONS",
    "Donors",
    "Draw",
    "Perturbation",
    "donors_without_fixed_points",
    "fitting",
    "perturb",
    "register",
]
