"""Which layers and heads decide a conflict between modalities (Instruction Anchor, arXiv 2602.03677)."""

from trimtab.circuits.decomposition import Contributions, decompose
from trimtab.circuits.flow import EDGES, Edge, edges_among, knockout, window
from trimtab.circuits.head_set import SCOPES, HeadSet, load_heads, parts_of
from trimtab.circuits.heads import Head, HeadScores, every_head, head_scores, mean_norms, mean_outputs
from trimtab.circuits.interventions import Condition, agreeing_context, measures_among, perplexity, try_conditions
from trimtab.circuits.logit_lens import lens
from trimtab.circuits.readouts import Readouts, read_out, two_way_effect
from trimtab.circuits.selection import (
    Stability,
    how_many,
    jaccard,
    layer_matched_heads,
    norm_matched_heads,
    random_heads,
    shuffled,
    stability,
    top_heads,
)
from trimtab.circuits.task import Case, Cases, TaskConfig, answer_tokens, build_cases

__all__ = [
    "EDGES",
    "SCOPES",
    "Case",
    "Cases",
    "Condition",
    "Contributions",
    "Edge",
    "Head",
    "HeadScores",
    "HeadSet",
    "Readouts",
    "Stability",
    "TaskConfig",
    "agreeing_context",
    "answer_tokens",
    "build_cases",
    "decompose",
    "edges_among",
    "every_head",
    "head_scores",
    "how_many",
    "jaccard",
    "knockout",
    "layer_matched_heads",
    "lens",
    "load_heads",
    "mean_norms",
    "mean_outputs",
    "measures_among",
    "norm_matched_heads",
    "parts_of",
    "perplexity",
    "random_heads",
    "read_out",
    "shuffled",
    "stability",
    "top_heads",
    "try_conditions",
    "two_way_effect",
    "window",
]
