"""Make a model follow one modality: steering methods, their artifacts, and how to tune them."""

from trimtab.steering.amps import AMPS
from trimtab.steering.artifact import Artifact
from trimtab.steering.instruction import Instruction
from trimtab.steering.l2s import L2S
from trimtab.steering.loading import load_artifact
from trimtab.steering.mean import MeanDifference
from trimtab.steering.method import METHODS, Method, default_layer
from trimtab.steering.none import NoSteering
from trimtab.steering.states import States, collect_states
from trimtab.steering.training_set import TrainingSet
from trimtab.steering.tune import tune

__all__ = [
    "AMPS",
    "L2S",
    "METHODS",
    "Artifact",
    "Instruction",
    "MeanDifference",
    "Method",
    "NoSteering",
    "States",
    "TrainingSet",
    "collect_states",
    "default_layer",
    "load_artifact",
    "tune",
]
