"""What Modality Interference claims (arXiv 2505.19616)."""

from benchmarks.evidence.measures.hardening import HARDEN, costs_more, hardened
from benchmarks.evidence.measures.interference import DIAGNOSE, flips_beyond, harms
from benchmarks.evidence.row import Group, Row

CHANGE = "difference of accuracy from the clean question, on the same items"
ALONE = ("image", "text")
BETWEEN = "difference of accuracy on the same items; the worst perturbation is each model's own"

MODALITY_INTERFERENCE = Group(
    "interference",
    "Modality Interference",
    "Diagnosing and mitigating modality interference, arXiv 2505.19616.",
    (
        Row(
            "A misleading text harms questions about the image.",
            "diagnosis",
            CHANGE,
            harms("image", ("misleading_text",)),
            DIAGNOSE,
        ),
        Row(
            "An unrelated text harms questions about the image.",
            "diagnosis",
            CHANGE,
            harms("image", ("unrelated_text",)),
            DIAGNOSE,
        ),
        Row(
            "Another item's picture harms questions about the text.",
            "diagnosis",
            CHANGE,
            harms("text", ("other_image",)),
            DIAGNOSE,
        ),
        Row(
            "Noise, black and white in place of a picture change hardly anything.",
            "diagnosis",
            CHANGE + "; less than 5 points",
            harms("text", ("noise_image", "black_image", "white_image"), near=0.05),
            DIAGNOSE,
        ),
        Row(
            "What does not matter changes more than 5 % of the answers.",
            "prediction change",
            "share of answers that change",
            flips_beyond(0.05),
            DIAGNOSE,
            0.05,
            "percent",
        ),
        Row(
            "Augmentation raises accuracy under the worst perturbation.",
            "ablation",
            BETWEEN,
            hardened(("augmented", "vanilla"), relevant=ALONE, cut="seen"),
            HARDEN,
        ),
        Row(
            "Consistency adds to augmentation.",
            "ablation",
            BETWEEN,
            hardened(("kl", "augmented"), ("js", "augmented"), relevant=ALONE, cut="seen"),
            HARDEN,
        ),
        Row(
            "Adversarial steps add to consistency.",
            "ablation",
            BETWEEN,
            hardened(("all", "kl"), relevant=ALONE, cut="seen"),
            HARDEN,
        ),
        Row(
            "Adversarial steps add to consistency under perturbations that were not trained on.",
            "ablation",
            BETWEEN + "; `adversarial` is the attack without consistency",
            hardened(("all", "kl"), ("adversarial", "js"), ("adversarial", "kl"), relevant=ALONE, cut="unseen"),
            HARDEN,
        ),
        Row(
            "The whole method raises accuracy under the worst perturbation, on image questions.",
            "main table",
            BETWEEN,
            hardened(("all", "vanilla"), relevant="image", cut="seen"),
            HARDEN,
        ),
        Row(
            "The whole method raises accuracy under the worst perturbation, on text questions.",
            "main table",
            BETWEEN,
            hardened(("all", "vanilla"), relevant="text", cut="seen"),
            HARDEN,
        ),
        Row(
            "It helps under perturbations that it was not trained on.",
            "unseen data",
            BETWEEN,
            hardened(("all", "vanilla"), relevant=ALONE, cut="unseen"),
            HARDEN,
        ),
        Row(
            "Questions that need both modalities lose at most 5 points.",
            "VQA table",
            BETWEEN + "; at most 5 points worse",
            hardened(("all", "vanilla"), relevant="both", cut="clean", margin=0.05),
            HARDEN,
            -0.05,
        ),
        Row(
            "The whole method costs at most four times plain augmentation (a bound of ours).",
            "cost, which the paper does not report",
            "counted forward passes of training, over those of augmentation",
            costs_more("all", "augmented", 4.0),
            HARDEN,
            4.0,
            "",
        ),
    ),
)
