"""What Instruction Anchor claims (arXiv 2602.03677); the rules are those of ``trimtab.studies.circuits``."""

from functools import partial

from benchmarks.evidence.measures.circuits import CIRCUITS, claim, heeds_instructions, stable_choices
from benchmarks.evidence.row import Group, Row

from trimtab.studies.circuits.flow_claims import (
    deep_arbitration,
    latent_agreement,
    no_direct_path,
    semantic_inertia,
    shallow_transfer,
)
from trimtab.studies.circuits.head_claims import abilities_kept, repair, sparse_heads

INSTRUCTION_ANCHOR = Group(
    "instruction-anchor",
    "Instruction Anchor",
    "Instruction Anchor, arXiv 2602.03677. Verdicts are those of `trimtab circuits`, whose rules are "
    "in [circuits.md](circuits.md); of a model that is not shown to heed the instruction nothing else is judged.",
    (
        Row(
            "The model heeds the instruction, so that the other claims can be asked.",
            "premise",
            "following rate over both instructions, against what one without instruction information could reach",
            heeds_instructions,
            CIRCUITS,
            0.5,
            "percent",
        ),
        Row(
            "Shallow attention transfers the named modality's cue to the instruction tokens.",
            "abstract",
            "change of the margin when attention is cut, beyond a random control",
            claim(shallow_transfer, "flow"),
            CIRCUITS,
        ),
        Row(
            "There is no direct path from the image to the last token.",
            "main figure",
            "change of the margin when attention is cut",
            claim(partial(no_direct_path, shown="image"), "flow"),
            CIRCUITS,
        ),
        Row(
            "Deep attention arbitrates.",
            "abstract",
            "margin of the logit lens at the last token by layer",
            claim(deep_arbitration, "lens"),
            CIRCUITS,
        ),
        Row(
            "In deep layers the instruction tokens hold the final decision in over 95 % of cases.",
            "main text",
            "agreement of the latent decision with the answer",
            claim(latent_agreement),
            CIRCUITS,
        ),
        Row(
            "MLPs work against the instruction.",
            "first version",
            "contributions of deep MLPs and attention to the margin",
            claim(semantic_inertia),
            CIRCUITS,
        ),
        Row(
            "5 % of the heads carry following: blocking them destroys it, blocking random ones does not.",
            "abstract",
            "share of the following above chance that is lost",
            claim(sparse_heads),
            CIRCUITS,
        ),
        Row(
            "Blocking these heads leaves plain abilities.",
            "abstract",
            "change of the accuracy from one modality alone",
            claim(abilities_kept),
            CIRCUITS,
        ),
        Row(
            "Amplifying these heads repairs up to 60 % of failed items.",
            "abstract",
            "share of failures that is repaired",
            claim(repair),
            CIRCUITS,
        ),
        Row(
            "Halves of the items choose the same heads.",
            "implied",
            "overlap of the choices; it has no interval, so it is described and not judged",
            stable_choices,
            CIRCUITS,
        ),
    ),
)
