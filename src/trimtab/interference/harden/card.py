"""The model card of a hardened model."""

from __future__ import annotations

from typing import Any

from trimtab.interference.harden.config import HardenConfig


def model_card(name: str, config: HardenConfig, record: dict[str, Any]) -> str:
    """Write what was hardened, how, and what came of it.

    Args:
        name: The model that was hardened.
        config: The run.
        record: ``harden.json``: fingerprints, versions, accuracies before and after.
    """
    adapter = config.method == "lora"
    parts = ["supervised fine-tuning on every view"]
    if config.attack:
        parts.append(f"adversarial changes of the irrelevant embeddings ({config.attack.steps} steps)")
    if config.consistency != "none":
        parts.append(f"{config.consistency.upper()} consistency with the clean view, weight {config.weight:g}")
    lines = [
        "---",
        f"base_model: {name}",
        f"library_name: {'peft' if adapter else 'transformers'}",
        "tags: [trimtab, modality-interference]",
        "---",
        "",
        f"# {name}, hardened against modality interference",
        "",
        f"{'LoRA adapters' if adapter else 'All weights of the text decoder'}, trained with trimtab after Modality "
        "Interference (arXiv 2505.19616): " + "; ".join(parts) + ".",
        "",
        "```python",
        "import trimtab as tt",
        "",
        'model = tt.load("this/folder")',
        "```",
        "",
        f"- perturbations seen in training: {', '.join(config.perturbations) or 'none'}",
        f"- steps: {record['steps']}, {config.batch} items each; peak learning rate {config.learning_rate:g}; "
        f"seed {config.seed}",
        f"- training items: {record['items']} ({record['skipped']} skipped), fingerprint {record['data'][:16]}",
        f"- model fingerprint before: {record['model']}",
        f"- versions: {', '.join(f'{k} {v}' for k, v in record['versions'].items())}",
        "",
        "## Accuracy on validation items",
        "",
        *_accuracies(record),
        "",
        "`worst` is the lowest accuracy of any condition, clean or perturbed as in training. What the model does under "
        "kinds of perturbation that it never met, and whether its preference between image and text has changed, is "
        "not said here: `trimtab interference` measures the first, `trimtab evaluate` the second.",
        "",
    ]
    return "\n".join(lines)


def _accuracies(record: dict[str, Any]) -> list[str]:
    if not record.get("after"):
        return ["Not measured: no validation items were given."]
    rows = ["| accuracy, % | before | after |", "|---|---|---|"]
    return rows + [
        f"| {name.replace('_', ', ')} | {100 * record['before'][name]:.1f} | {100 * value:.1f} |"
        for name, value in record["after"].items()
    ]
