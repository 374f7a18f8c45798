"""The model card of a hardened model."""

from __future__ import annotations

from typing import Any

from trimtab.interference.hardening.config import HardenConfig


def model_card(name: str, config: HardenConfig, record: dict[str, Any]) -> str:
    """Write what was hardened, how, and what came of it.

    Args:
        name: The model that was hardened.
        config: The run.
        record: ``harden.json``: fingerprints, versions, counts, accuracies before and after.
    """
    adapter, counts = config.method == "lora", record["counts"]
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
        f"- views of the training items: {', '.join(f'{n} {kind}' for kind, n in counts['views'].items())}",
        *([f"- views that could be attacked: {counts['attackable']}"] if config.attack else []),
        f"- steps: {record['steps']}, {config.batch_size} items each; peak learning rate {config.learning_rate:g}; "
        f"seed {config.seed}",
        f"- training items: {record['items']}, fingerprint {record['data'][:16]}; {record['skipped']} skipped, named "
        "in `harden.json`",
        f"- model fingerprint before: {record['model']}",
        f"- versions: {', '.join(f'{k} {v}' for k, v in record['versions'].items())}",
        "",
        "## Accuracy on validation items",
        "",
        *_accuracies(record),
        "",
        "What the model does under kinds of perturbation that it never met, and whether its preference between image "
        "and text has changed, is not said here: `trimtab interference` measures the first, `trimtab evaluate` the "
        "second.",
        "",
    ]
    return "\n".join(lines)


def _accuracies(record: dict[str, Any]) -> list[str]:
    if not record.get("after"):
        return ["Not measured: no validation items were given."]
    rates = [
        f"| {name.replace('_', ', ')} | {100 * record['before'][name]:.1f} | {100 * value:.1f} |"
        for name, value in record["after"].items()
    ]
    return [
        f"Of {record['evaluated_items']} items, in percent. {_selection(record['evaluations'])}",
        "",
        "| accuracy | before | after |",
        "|---|---|---|",
        *rates,
        "",
        "`worst` is the accuracy under the condition that loses most against the clean one, each on the items that it "
        "fits; the clean condition, where none loses:",
        "",
        "| relevant | | condition | items | accuracy | the same items clean |",
        "|---|---|---|---|---|---|",
        *(line for when in ("before", "after") for line in _worst(when, record.get(f"worst_{when}", {}))),
    ]


def _selection(evaluations: int) -> str:
    if evaluations < 2:
        return "No checkpoint was chosen by them."
    return (
        f"The checkpoint was chosen among {evaluations} by the mean of `worst` on these very items, so `after` is "
        "somewhat too good: measure on others."
    )


def _worst(when: str, cases: dict[str, Any]) -> list[str]:
    return [
        f"| {family} | {when} | {c['condition']} | {c['n']} | {100 * c['accuracy']:.1f} | {100 * c['clean']:.1f} |"
        for family, c in cases.items()
    ]
