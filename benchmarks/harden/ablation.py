"""The ablation of hardening: vanilla, more VQA, augmentation, KL, JS, adversarial, all; seeds; unseen kinds.

    python benchmarks/harden/ablation.py --model pocket-qwen --out runs/ablation-qwen [--seeds 0 1 2] [--steps 120]

A stopped ablation goes on where it was when the same command is run again. ``summary.json`` in the folder has every
number with its interval; the tables printed here are cut from it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from trimtab.cli.console import print_line, print_table, progress_bars
from trimtab.interference import HardenConfig
from trimtab.interference.hardening import VARIANTS
from trimtab.studies import read_summary, run_study
from trimtab.studies.interference import AblationPlan

CUTS = ("clean", "worst seen", "mean seen", "worst unseen", "mean unseen")


def accuracy_lines(summary: dict[str, Any], family: str) -> list[list[str]]:
    """Lay out a family's line for each variant: accuracy with its 95 % interval over items."""
    found = {(r["variant"], r["condition"]): r for r in summary["accuracy"] if r["relevant"] == family}
    lines = []
    for name in dict.fromkeys(r["variant"] for r in summary["accuracy"]):
        cells = [found.get((name, cut)) for cut in CUTS]
        lines.append([name, *("" if c is None else f"{100 * c['accuracy']:.1f} ({_interval(c)})" for c in cells)])
    return lines


def _interval(cell: dict[str, Any]) -> str:
    return f"{100 * cell['low']:.0f}-{100 * cell['high']:.0f}"


def cost_lines(summary: dict[str, Any]) -> list[list[str]]:
    """Lay out a line for each run: steps, seconds and counted work, both also relative to plain augmentation."""
    base = next((c for c in summary["cost"] if c["variant"] == "augmented"), None)
    return [
        [
            c["label"],
            str(c["steps"]),
            f"{c['seconds_of_training']:.0f}",
            f"{c['forward_equivalents'] / 1000:.0f}",
            _ratio(c, base, "seconds_of_training"),
            _ratio(c, base, "forward_equivalents"),
        ]
        for c in summary["cost"]
    ]


def _ratio(cost: dict[str, Any], base: dict[str, Any] | None, name: str) -> str:
    """Divide by the base's; nothing where a run was resumed at its very end, and so measured no step."""
    return f"{cost[name] / base[name]:.2f}" if base is not None and cost[name] and base[name] else ""


def preference_lines(summary: dict[str, Any]) -> list[list[str]]:
    """Lay out following rates on conflict items: by itself, told, and steered by a vector fitted anew."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in summary["preference"]:
        found.setdefault((row["variant"], row["target"], row["method"]), []).append(row["following"])
    columns = [(target, method) for target in ("image", "text") for method in ("none", "instruction", "mean")]
    return [
        [name, *(f"{100 * sum(found[name, *c]) / len(found[name, *c]):.1f}" for c in columns)]
        for name in dict.fromkeys(r["variant"] for r in summary["preference"])
    ]


def main() -> None:
    """Run it and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--test-items", type=int, default=240)
    parser.add_argument("--conflict-items", type=int, default=80)
    parser.add_argument("--attack-sizes", type=float, nargs="*", default=[])
    parser.add_argument("--attack-steps", type=int, nargs="*", default=[])
    options = parser.parse_args()
    plan = AblationPlan(
        model=options.model,
        variants=tuple(options.variants),
        seeds=tuple(options.seeds),
        base=HardenConfig(
            steps=options.steps,
            batch=options.batch,
            learning_rate=options.learning_rate,
            evaluate_every=min(40, options.steps),
        ),
        attack_sizes=tuple(options.attack_sizes),
        attack_steps=tuple(options.attack_steps),
        test_items=options.test_items,
        conflict_items=options.conflict_items,
    )
    with progress_bars() as bars:
        run_study(plan, options.out, progress=bars)
    summary = read_summary(options.out)
    for family in dict.fromkeys(r["relevant"] for r in summary["accuracy"]):
        print_table(
            f"{options.model}, {family} relevant: percent right (95 % over items), mean of {len(plan.seeds)} seeds",
            ["variant", *CUTS],
            accuracy_lines(summary, family),
            gap=1,
        )
    print_line(f"seen: {', '.join(summary['seen'])}; unseen: {', '.join(summary['unseen'])}")
    print_table(
        "Work of each run",
        ["run", "steps", "seconds", "count, k", "seconds / augmented", "count / augmented"],
        cost_lines(summary),
    )
    print_table(
        "Following rate on conflict items, in percent",
        ["variant", *(f"{t}: {m}" for t in ("image", "text") for m in ("plain", "told", "steered"))],
        preference_lines(summary),
    )


if __name__ == "__main__":
    main()
