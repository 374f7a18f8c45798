"""What AMPS claims (arXiv 2602.12533), as far as its text can be put to a number."""

from benchmarks.evidence.measures.contribution import (
    COMMANDS,
    HELD_OUT,
    SCORE,
    VALIDITY,
    foretells,
    moved_by_instructions,
    score_under_noise,
    tells,
)
from benchmarks.evidence.measures.steering import (
    ABLATIONS,
    STEERING,
    at_equal_strength,
    collapses,
    costs,
    moved_ratio,
    over,
    stronger_collapses,
)
from benchmarks.evidence.row import Group, Row

FOLLOWING = "difference of following rates on held-out conflict items, each method at its own strength"
READINGS = ("amps_gamma", "amps_normalised", "amps_prose", "amps_standardised")
"""Readings of AMPS whose strength is 1 on average, as that of L2S is; the literal one has twice that."""

AMPS = Group(
    "amps",
    "AMPS",
    "Adaptive Modality Preference Steering, arXiv 2602.12533. *L2S* is the same network without adaptive strength.",
    (
        Row(
            "AMPS steers further than L2S, its uniform form.",
            "Table 2, abstract",
            FOLLOWING,
            over(("amps", "l2s")),
            STEERING,
        ),
        Row("AMPS steers further than mean differences.", "Table 1", FOLLOWING, over(("amps", "mean")), STEERING),
        Row(
            "AMPS steers further than prompts do.",
            "Table 1",
            FOLLOWING,
            over(("amps", "instruction"), ("amps", "chain_of_thought"), ("amps", "few_shot")),
            STEERING,
        ),
        Row(
            "Methods follow in the order instruction, mean differences, L2S, AMPS.",
            "Tables 1 and 2",
            FOLLOWING + "; each method over the one before it",
            over(("mean", "instruction"), ("l2s", "mean"), ("amps", "l2s")),
            STEERING,
        ),
        Row("AMPS moves answers toward its target.", "Table 2", FOLLOWING, over(("amps", "none")), STEERING),
        Row(
            "Adaptive strength beats uniform strength where both are equally strong on average.",
            "Table 3, Figure 6",
            "difference of following rates at the same layer and strength",
            at_equal_strength(*((reading, "l2s") for reading in READINGS)),
            ABLATIONS,
        ),
        Row(
            "It matters which item gets which strength.",
            "Section 4",
            "difference of following rates against the same strengths, shuffled over items",
            at_equal_strength(("amps_normalised", "amps_shuffled")),
            ABLATIONS,
        ),
        Row(
            "Stronger steering makes more answers collapse.",
            "Figures 1 and 6",
            "difference of collapse rates between the highest and the lowest strength",
            stronger_collapses("mean", "l2s", "amps"),
            STEERING,
        ),
        Row(
            "AMPS collapses less often than L2S.",
            "Figure 6, abstract",
            "difference of collapse rates at the chosen strengths",
            collapses("amps", "l2s"),
            STEERING,
        ),
        Row(
            "The measured share of the image moves with the instruction.",
            "Figures 4 and 5, by the study's measure",
            "difference of the mean share under an image and under a text instruction",
            moved_ratio,
            STEERING,
            unit="",
        ),
        Row(
            "The score's ratio moves toward the modality that an instruction names.",
            "Figures 4 and 5",
            "mean change of the ratio from no instruction; `kl limit` is the score's exact limit",
            moved_by_instructions(("kl limit", "paper")),
            COMMANDS[VALIDITY],
            unit="",
        ),
        Row(
            "The score tells which modality an answer comes from.",
            "Section 3",
            "area under the curve of the ratio of the score's exact limit; 0.5 is chance",
            tells("kl limit", 0.5),
            COMMANDS[HELD_OUT],
            0.5,
            "",
        ),
        Row(
            "The score points to that modality at any size of noise.",
            "Algorithm 1",
            "area under the curve of the ratio of the sampled score, by standard deviations of the noise",
            score_under_noise(("both, 0.1", "both, 0.3", "both, 1.0", "both, 2.0")),
            COMMANDS[SCORE],
            0.5,
            "",
        ),
        Row(
            "The score foretells which items steering will move.",
            "Section 3, susceptibility",
            "area under the curve of the ratio for items that flip",
            foretells(
                ("kl limit", "paper"),
                ("mean to image", "mean to text", "instruction to image", "instruction to text"),
            ),
            COMMANDS[VALIDITY],
            0.5,
            "",
        ),
        Row(
            "An answer under AMPS, once fitted, computes no more positions than a plain one.",
            "Section 4",
            "token positions over those of a plain answer, counted; at most 1.05",
            costs("amps", 1.05),
            STEERING,
            1.05,
            "",
        ),
    ),
)
