"""Edits as plain data: what to change, where, and how strongly.

An edit holds names, numbers and tensors only, so another engine can apply the same edit without our hooks.
"""

from trimtab.engine.edits.attention import BlockAttention
from trimtab.engine.edits.boost import BoostAttention, FlattenAttention, LinearScoreEdit, ScoreEdit
from trimtab.engine.edits.checks import check_heads, check_layer
from trimtab.engine.edits.edit import Edit, Site
from trimtab.engine.edits.heads import HeadEdit, ReplaceHeads, ScaleHeads, ShiftHeads
from trimtab.engine.edits.merge import MergeKeys
from trimtab.engine.edits.places import ALL, GENERATED, PLACES, Places, Resolved, resolve
from trimtab.engine.edits.redistribute import RedistributeAttention
from trimtab.engine.edits.skip import SkipLayers
from trimtab.engine.edits.states import ReplaceStates
from trimtab.engine.edits.vector import POSITIONS, AddGatedVector, AddVector, Positions, Predictor, covered

__all__ = [
    "ALL",
    "GENERATED",
    "PLACES",
    "POSITIONS",
    "AddGatedVector",
    "AddVector",
    "BlockAttention",
    "BoostAttention",
    "Edit",
    "FlattenAttention",
    "HeadEdit",
    "LinearScoreEdit",
    "MergeKeys",
    "Places",
    "Positions",
    "Predictor",
    "RedistributeAttention",
    "ReplaceHeads",
    "ReplaceStates",
    "Resolved",
    "ScaleHeads",
    "ScoreEdit",
    "ShiftHeads",
    "Site",
    "SkipLayers",
    "check_heads",
    "check_layer",
    "covered",
    "resolve",
]
