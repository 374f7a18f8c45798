"""What this project claims in its README and docs."""

from benchmarks.evidence.claims.amps import FOLLOWING
from benchmarks.evidence.claims.audit import RIGHT
from benchmarks.evidence.claims.modality_interference import BETWEEN
from benchmarks.evidence.measures.contribution import COMMANDS, HELD_OUT, tells
from benchmarks.evidence.measures.hardening import HARDEN, hardened
from benchmarks.evidence.measures.steering import BESIDE_THE_POINT, GATES, STEERING, costs, on_controls, over
from benchmarks.evidence.row import Group, Row

OURS = Group(
    "ours",
    "Our own claims",
    "What the README and the docs say.",
    (
        Row(
            "Shapley values tell which modality an answer comes from, with an area above 0.9.",
            "README, without a bound",
            "area under the curve of the image's share on held-out items; more than 0.9",
            tells("default", 0.9),
            COMMANDS[HELD_OUT],
            0.9,
            "",
        ),
        Row(
            "Learned vectors move all bundled models in both directions, in any protocol.",
            "README, of the pocket models in open answers",
            FOLLOWING,
            over(("l2s", "none"), ("amps", "none")),
            STEERING,
        ),
        Row(
            "An instruction moves them further than learned vectors.",
            "README",
            FOLLOWING,
            over(("instruction", "l2s"), ("instruction", "amps")),
            STEERING,
        ),
        Row(
            "AMPS does not follow further than L2S by 5 points.",
            "ours, to be tested",
            FOLLOWING + "; L2S at most 5 points worse",
            over(("l2s", "amps"), margin=0.05),
            STEERING,
            -0.05,
        ),
        Row("Autotrim follows further than L2S.", "steering.md", FOLLOWING, over(("autotrim", "l2s")), STEERING),
        Row(
            "Gated drop, a trivial baseline, does as well as Autotrim.",
            "README",
            FOLLOWING + "; at most 5 points worse",
            over(("gated_drop", "autotrim"), margin=0.05),
            STEERING,
            -0.05,
        ),
        *(
            Row(
                f"{name} spoils answers where the target's evidence is beside the point.",
                "ours, to be tested",
                RIGHT,
                on_controls(method, BESIDE_THE_POINT, harmed=True),
                STEERING,
            )
            for method, name in (
                ("autotrim", "Autotrim"),
                ("gated_drop", "Gated drop"),
                ("learned_trim", "Learned trim"),
                ("learned_gate", "A learned gate"),
            )
        ),
        Row(
            "A learned gate follows as far as gated drop.",
            "ours, to be tested",
            FOLLOWING + "; at most 5 points worse",
            over(("learned_gate", "gated_drop"), margin=0.05),
            GATES,
            -0.05,
        ),
        Row(
            "Learned trim costs no more than a plain answer.",
            "README",
            "token positions over those of a plain answer, counted; at most 1.05",
            costs("learned_trim", 1.05),
            STEERING,
            1.05,
            "",
        ),
        Row(
            "Learned trim follows as far as gated drop.",
            "steering_learned_trim.md",
            FOLLOWING + "; at most 5 points worse",
            over(("learned_trim", "gated_drop"), margin=0.05),
            STEERING,
            -0.05,
        ),
        Row(
            "Hardening with augmentation and consistency raises accuracy under the worst perturbation.",
            "interference.md",
            BETWEEN,
            hardened(("kl", "vanilla"), ("js", "vanilla"), relevant=("image", "text"), cut="seen"),
            HARDEN,
        ),
    ),
)
