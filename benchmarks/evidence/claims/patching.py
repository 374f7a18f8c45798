"""What newer papers claim of patched states and of heads that override (arXiv 2604.09364 and 2606.28273)."""

from benchmarks.evidence.measures.circuits import CIRCUITS
from benchmarks.evidence.measures.patching import HALF, crosses_deep, foretells_side, last_token_fails, silenced
from benchmarks.evidence.row import Group, Row

PATCHING = Group(
    "patching",
    "Patched states and overriding heads",
    "*Arbitration Failure, Not Perceptual Blindness*, arXiv 2604.09364 (its abstract), and *Vision-Default, "
    "Prior-Override*, arXiv 2606.28273. [circuits.md](circuits.md) says why patching a whole sequence tells nothing.",
    (
        Row(
            "Patching the last token alone fails to flip most answers.",
            "2604.09364, abstract",
            "share of first tokens that become the donor's, at half, three quarters and nine tenths of the depth",
            last_token_fails,
            CIRCUITS,
            HALF,
            "percent",
        ),
        Row(
            "A model takes its final side in the second half of its depth.",
            "2604.09364, the crossover",
            "share of cases whose lens margin keeps its final sign only from there on",
            crosses_deep,
            CIRCUITS,
            HALF,
            "percent",
        ),
        Row(
            "Where it crosses foretells which modality it answers from.",
            "2604.09364, the crossover",
            "rank correlation of the crossover's layer with answering from the image, under one instruction",
            foretells_side("crossover"),
            CIRCUITS,
            unit="",
        ),
        Row(
            "Silencing the heads that promote an answer flips more answers than silencing random heads.",
            "2606.28273",
            "difference of flipped answers of test items; p against 20 random sets of heads, corrected for all cases",
            silenced("promoting"),
            CIRCUITS,
        ),
    ),
)
