"""Which layers and heads decide a conflict between modalities (Instruction Anchor, arXiv 2602.03677)."""

from trimtab.circuits.crossing import crossover, crossovers
from trimtab.circuits.decomposition import Contributions, decompose
from trimtab.circuits.donors import Patch, other_instructions, other_media, same_layout
from trimtab.circuits.flow import EDGES, Edge, edges_among, knockout, window
from trimtab.circuits.head_set import SCOPES, HeadSet, load_heads, parts_of
from trimtab.circuits.heads import Head, HeadScores, every_head, head_scores, mean_norms, mean_outputs
from trimtab.circuits.interventions import (
    Condition,
    abilities_of,
    agreeing_context,
    measures_among,
    perplexity,
    try_conditions,
)
from trimtab.circuits.logit_lens import lens
from trimtab.circuits.overrides import (
    Overrides,
    ablate,
    head_class,
    override_heads,
    patched_directly,
)
from trimtab.circuits.patches import PARTS, Patched, sequence_patching
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
    "PARTS",
    "SCOPES",
    "Case",
    "Cases",
    "Condition",
    "Contributions",
    "Edge",
    "Head",
    "HeadScores",
    "HeadSet",
    "Overrides",
    "Patch",
    "Patched",
    "Readouts",
    "Stability",
    "TaskConfig",
    "abilities_of",
    "ablate",
    "agreeing_context",
    "answer_tokens",
    "build_cases",
    "crossover",
    "crossovers",
    "decompose",
    "edges_among",
    "every_head",
    "head_class",
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
    "other_instructions",
    "other_media",
    "override_heads",
    "parts_of",
    "patched_directly",
    "perplexity",
    "random_heads",
    "read_out",
    "same_layout",
    "sequence_patching",
    "shuffled",
    "stability",
    "top_heads",
    "try_conditions",
    "two_way_effect",
    "window",
]
