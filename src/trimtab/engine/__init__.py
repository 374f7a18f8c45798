"""One prefill, many questions: prompts with named spans, edits with receipts, batches on shared prefixes."""

from trimtab.engine.admit import admit
from trimtab.engine.applied import applied
from trimtab.engine.batch import Piece
from trimtab.engine.contrast import Contrast, contrasted_logits, generate_contrasted
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
from trimtab.engine.encode import Encoded, encode
from trimtab.engine.generate import MAX_NEW_TOKENS, Answers, generate
from trimtab.engine.native import inputs
from trimtab.engine.prefix import Prefix, prefill
from trimtab.engine.prompt import SPANS, Placement, Prompt
from trimtab.engine.read import Cost, Read, Readings
from trimtab.engine.receipt import Receipt
from trimtab.engine.run import Row, run

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
    "contrasted_logits",
    "encode",
    "generate",
    "generate_contrasted",
    "inputs",
    "prefill",
    "run",
]
