"""What AMPS's four reviewers objected to (OpenReview XekKGk5Fcd), each as a sentence that a number answers."""

from benchmarks.evidence.claims.amps import FOLLOWING, READINGS
from benchmarks.evidence.measures.contribution import COMMANDS, HELD_OUT, SCORE, prefills, score_under_noise
from benchmarks.evidence.measures.making import documented
from benchmarks.evidence.measures.steering import ABLATIONS, STEERING, at_equal_strength, collapses, over
from benchmarks.evidence.row import Group, Row

REVIEWERS = Group(
    "reviewers",
    "AMPS's reviewers",
    "Objections of four reviewers to AMPS (ICLR 2026, submission 22853).",
    (
        Row(
            "Generation error, defined: AMPS breaks at most 5 % more answers than no steering.",
            '(a) "generation error" is not defined',
            "difference of collapse rates; a collapsed answer is broken as language or no possible answer of its task",
            collapses("amps", "none", 0.05),
            STEERING,
            0.05,
        ),
        Row(
            "Gaussian noise on the cache measures which modality is relied on.",
            "(b) the score's assumptions are not justified",
            "area under the curve of the score's ratio, by where and how large the noise is",
            score_under_noise(
                ("keys, 1.0", "values, 1.0", "early layers, 1.0", "middle layers, 1.0", "late layers, 1.0")
            ),
            COMMANDS[SCORE],
            0.5,
            "",
        ),
        Row(
            "The learned strength carries to tasks it was not fitted on.",
            "(c) nothing is measured when answering; is the offline fit good elsewhere?",
            FOLLOWING + "; fitted on four of eight tasks against all, at most 5 points worse",
            over(("l2s_four_tasks", "l2s"), margin=0.05),
            ABLATIONS,
            -0.05,
        ),
        Row(
            "The 1 in 1 + gamma makes AMPS steer further.",
            "(d) why 1 + gamma",
            FOLLOWING,
            over(("amps_literal", "amps_gamma"), ("amps_literal", "amps_normalised"), names=True),
            ABLATIONS,
        ),
        Row(
            "Some reading of gamma beats uniform strength.",
            "(e) gamma is a heuristic",
            "difference of following rates at the same layer and strength; this row says so only if all readings do",
            at_equal_strength(*((reading, "l2s") for reading in READINGS)),
            ABLATIONS,
        ),
        Row(
            "Measuring a contribution costs at most three prefills.",
            "(f) the cost of measuring is not reported",
            "token positions of the default measure over those of the plain prompts, counted",
            prefills(3.0),
            COMMANDS[HELD_OUT],
            3.0,
            "",
        ),
        Row(
            "AMPS steers further than other adaptive and causal methods.",
            "(g) no comparison with AutoSteer or CausalMM",
            FOLLOWING + "; `probe_gate` is AutoSteer's gate",
            over(("amps", "probe_gate"), ("amps", "causalmm"), ("amps", "kl_clip"), ("amps", "mahalanobis")),
            STEERING,
        ),
        Row(
            "What is learned holds on items that it was not trained on.",
            "(h) overfitting is not ruled out",
            FOLLOWING,
            over(("l2s", "none")),
            STEERING,
        ),
        Row(
            "More training items help.",
            "(h) overfitting is not ruled out",
            FOLLOWING + "; 160 training items against fewer",
            over(("l2s", "l2s_20"), ("l2s", "l2s_40"), ("l2s", "l2s_80")),
            ABLATIONS,
        ),
        Row(
            "AMPS beats every baseline in the same model, on the same items.",
            "(i) tables mix models",
            FOLLOWING,
            over(*(("amps", name) for name in ("none", "instruction", "chain_of_thought", "few_shot", "mean", "l2s"))),
            STEERING,
        ),
        Row(
            "AMPS follows further than leaving the other modality out.",
            "(j) the baseline that drops the other modality is missing",
            FOLLOWING,
            over(("amps", "drop"), ("amps", "gated_drop")),
            STEERING,
        ),
        Row(
            "Each run names its code, its settings and its items.",
            "(k) code, splits and hyper-parameters are not given",
            "what each run folder holds",
            documented,
            STEERING,
        ),
    ),
)
