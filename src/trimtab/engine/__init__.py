"""One prefill, many questions: prompts with named spans, edits with receipts, batches on shared prefixes."""

from trimtab.engine.applied import applied
from trimtab.engine.batch import Piece
from trimtab.engine.edits import POSITIONS, AddVector, Edit, Positions, Predictor, check_layer
from trimtab.engine.encode import Encoded, encode
from trimtab.engine.generate import MAX_NEW_TOKENS, Answers, generate
from trimtab.engine.prefix import Prefix, prefill
from trimtab.engine.prompt import SPANS, Placement, Prompt
from trimtab.engine.read import Cost, Read, Readings
from trimtab.engine.receipt import Receipt
from trimtab.engine.run import Row, run

__all__ = [
    "MAX_NEW_TOKENS",
    "POSITIONS",
    "SPANS",
    "AddVector",
    "Answers",
    "Cost",
    "Edit",
    "Encoded",
    "Piece",
    "Placement",
    "Positions",
    "Predictor",
    "Prefix",
    "Prompt",
    "Read",
    "Readings",
    "Receipt",
    "Row",
    "applied",
    "check_layer",
    "encode",
    "generate",
    "prefill",
    "run",
]
