"""What MC² claims (arXiv 2505.20977) of steering; AMPS takes its benchmark and its baselines from there."""

from benchmarks.evidence.claims.amps import FOLLOWING
from benchmarks.evidence.measures.steering import STEERING, over
from benchmarks.evidence.row import Group, Row

MC2 = Group(
    "mc2",
    "MC²",
    "Evaluating and Steering Modality Preferences, arXiv 2505.20977: AMPS's benchmark and baselines.",
    (
        Row(
            "An instruction moves which modality is followed.",
            "instruction guidance",
            FOLLOWING,
            over(("instruction", "none")),
            STEERING,
        ),
        Row(
            "Adding a mean difference moves which modality is followed.",
            "steering",
            FOLLOWING,
            over(("mean", "none")),
            STEERING,
        ),
        Row(
            "Adding a mean difference moves it further than an instruction.",
            "main table",
            FOLLOWING,
            over(("mean", "instruction")),
            STEERING,
        ),
    ),
)
