"""One prefill, many questions: prompts with named spans, edits with receipts, batches on shared prefixes."""

from trimtab.engine.answers import MAX_NEW_TOKENS, Answers
from trimtab.engine.contrast import Contrast
from trimtab.engine.cost import Cost
from trimtab.engine.decoding import GREEDY, Decoding
from trimtab.engine.edits import (
    PLACES,
    POSITIONS,
    AddVector,
    BlockAttention,
    BoostAttention,
    Edit,
    FlattenAttention,
    Places,
    Positions,
    Predictor,
    RedistributeAttention,
    ReplaceHeads,
    ScaleHeads,
    check_layer,
)
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.admission import admit
from trimtab.engine.local.applying import applied
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.encoding import encode
from trimtab.engine.local.generating import generate
from trimtab.engine.local.native import inputs
from trimtab.engine.local.prefix import Prefix, prefill
from trimtab.engine.local.running import run
from trimtab.engine.prompt import SPANS, Placement, Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.receipt import Receipt
from trimtab.engine.row import Row

__all__ = [
    "GREEDY",
    "MAX_NEW_TOKENS",
    "PLACES",
    "POSITIONS",
    "SPANS",
    "AddVector",
    "Answers",
    "BlockAttention",
    "BoostAttention",
    "Contrast",
    "Cost",
    "Decoding",
    "Edit",
    "Encoded",
    "FlattenAttention",
    "Piece",
    "Placement",
    "Places",
    "Positions",
    "Predictor",
    "Prefix",
    "Prompt",
    "Read",
    "Readings",
    "Receipt",
    "RedistributeAttention",
    "ReplaceHeads",
    "Row",
    "ScaleHeads",
    "admit",
    "applied",
    "check_layer",
    "encode",
    "generate",
    "inputs",
    "prefill",
    "run",
]
