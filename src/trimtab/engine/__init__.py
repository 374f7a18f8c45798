"""Prompts with named spans, edits with receipts, and the contract of the engines that run them."""

from trimtab.engine.answers import MAX_NEW_TOKENS, Answers
from trimtab.engine.capability import Capability, Identified, Sizes
from trimtab.engine.contract import Engine
from trimtab.engine.contrast import Contrast, combine
from trimtab.engine.cost import Cost
from trimtab.engine.decoding import GREEDY, Decoding
from trimtab.engine.dispatch import admit, applied, batches_of, encode, forget_media, generate, inputs, run
from trimtab.engine.edits import (
    PLACES,
    POSITIONS,
    AddGatedVector,
    AddVector,
    BlockAttention,
    BoostAttention,
    Edit,
    FlattenAttention,
    MergeKeys,
    Places,
    Positions,
    Predictor,
    RedistributeAttention,
    ReplaceHeads,
    ReplaceStates,
    ScaleHeads,
    ShiftHeads,
    SkipLayers,
    check_layer,
    covered,
    resolve,
)
from trimtab.engine.encoded import Encoded, describe
from trimtab.engine.fleets.cluster import Cluster
from trimtab.engine.fleets.engine import Fleet, fleet_of
from trimtab.engine.fleets.pieces import tokens_of
from trimtab.engine.fleets.starting import fleet
from trimtab.engine.fleets.workers import Workers
from trimtab.engine.local.serving import ModelOrEngine, engine_of, require
from trimtab.engine.needed import needs
from trimtab.engine.prompt import PARTS_OF, SPANS, Placement, Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.reason import reason_of
from trimtab.engine.receipt import Receipt
from trimtab.engine.row import Row
from trimtab.engine.rows import Question, Rows, as_questions, rows_of

__all__ = [
    "GREEDY",
    "MAX_NEW_TOKENS",
    "PARTS_OF",
    "PLACES",
    "POSITIONS",
    "SPANS",
    "AddGatedVector",
    "AddVector",
    "Answers",
    "BlockAttention",
    "BoostAttention",
    "Capability",
    "Cluster",
    "Contrast",
    "Cost",
    "Decoding",
    "Edit",
    "Encoded",
    "Engine",
    "FlattenAttention",
    "Fleet",
    "Identified",
    "MergeKeys",
    "ModelOrEngine",
    "Placement",
    "Places",
    "Positions",
    "Predictor",
    "Prompt",
    "Question",
    "Read",
    "Readings",
    "Receipt",
    "RedistributeAttention",
    "ReplaceHeads",
    "ReplaceStates",
    "Row",
    "Rows",
    "ScaleHeads",
    "ShiftHeads",
    "Sizes",
    "SkipLayers",
    "Workers",
    "admit",
    "applied",
    "as_questions",
    "batches_of",
    "check_layer",
    "combine",
    "covered",
    "describe",
    "encode",
    "engine_of",
    "fleet",
    "fleet_of",
    "forget_media",
    "generate",
    "inputs",
    "needs",
    "reason_of",
    "require",
    "resolve",
    "rows_of",
    "run",
    "tokens_of",
]
