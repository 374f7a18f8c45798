"""Make a model follow one modality: steering methods, their artifacts, and how to tune them.

A new method is a folder here, found by its place; a line below makes its class public.
"""

from trimtab.registry import import_inside
from trimtab.steering.amps import AMPS
from trimtab.steering.artifact import Artifact
from trimtab.steering.asks import Ask, Asks
from trimtab.steering.autotrim import Autotrim
from trimtab.steering.contrasting import ContrastRule
from trimtab.steering.contrastive import VCD, VDD, CausalMM
from trimtab.steering.dmas import DMAS
from trimtab.steering.first_token import FirstToken
from trimtab.steering.gated_drop import GatedDrop
from trimtab.steering.given import GIVEN, VectorsChooser, given_vectors
from trimtab.steering.ikod import IKOD
from trimtab.steering.instruction import Instruction
from trimtab.steering.itad import ITaD
from trimtab.steering.kl_clip import KLClip
from trimtab.steering.l2s import L2S
from trimtab.steering.learned_gate import LearnedGate
from trimtab.steering.learned_trim import LearnedTrim
from trimtab.steering.loading import load_steering
from trimtab.steering.looking import asks_together
from trimtab.steering.mahalanobis import Mahalanobis
from trimtab.steering.mean import MeanDifference
from trimtab.steering.method import METHODS, Method, default_layer, make_method
from trimtab.steering.minimal_shift import MinimalShift
from trimtab.steering.none import NoSteering
from trimtab.steering.pai import PAI
from trimtab.steering.probe_gate import ProbeGate
from trimtab.steering.prompting import ChainOfThought, DropModality, FewShot
from trimtab.steering.random_direction import RandomDirection
from trimtab.steering.states import States, collect_states
from trimtab.steering.tlvs import TLVS
from trimtab.steering.training_set import TrainingSet
from trimtab.steering.tuning import tune
from trimtab.steering.var import VAR

import_inside(__name__, __path__, packages=True)

__all__ = [
    "AMPS",
    "DMAS",
    "GIVEN",
    "IKOD",
    "L2S",
    "METHODS",
    "PAI",
    "TLVS",
    "VAR",
    "VCD",
    "VDD",
    "Artifact",
    "Ask",
    "Asks",
    "Autotrim",
    "CausalMM",
    "ChainOfThought",
    "ContrastRule",
    "DropModality",
    "FewShot",
    "FirstToken",
    "GatedDrop",
    "ITaD",
    "Instruction",
    "KLClip",
    "LearnedGate",
    "LearnedTrim",
    "Mahalanobis",
    "MeanDifference",
    "Method",
    "MinimalShift",
    "NoSteering",
    "ProbeGate",
    "RandomDirection",
    "States",
    "TrainingSet",
    "VectorsChooser",
    "asks_together",
    "collect_states",
    "default_layer",
    "given_vectors",
    "load_steering",
    "make_method",
    "tune",
]
