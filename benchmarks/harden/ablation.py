"""The ablation of hardening: vanilla, more VQA, augmentation, KL, JS, adversarial, all; seeds; unseen kinds.

    python benchmarks/harden/ablation.py --model pocket-qwen --out runs/ablation-qwen [--seeds 0 1] [--setting wide]

The settings are those that ``settings.py`` chooses among; variants change the parts of the objective. A stopped
ablation goes on where it was when the same command is run again. ``summary.json`` in the folder has every number with
its interval; the tables printed here are cut from it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from settings import SETTINGS

from trimtab.cli.console import print_line, print_table, progress_bars
from trimtab.interference.hardening import VARIANTS
from trimtab.report.hardening import (
    CUTS,
    accuracy_lines,
    cost_lines,
    loss_columns,
    loss_lines,
    preference_columns,
    preference_lines,
)
from trimtab.studies import read_summary, run_study
from trimtab.studies.interference import AblationPlan


def main() -> None:
    """Run it and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--setting", default="as documented", choices=list(SETTINGS))
    parser.add_argument("--steps", type=int, help="of every run, in place of the setting's")
    parser.add_argument("--test-items", type=int, default=240)
    parser.add_argument("--conflict-items", type=int, default=80)
    parser.add_argument("--attack-sizes", type=float, nargs="*", default=[])
    parser.add_argument("--attack-steps", type=int, nargs="*", default=[])
    options = parser.parse_args()
    plan = AblationPlan(
        model=options.model,
        variants=tuple(options.variants),
        seeds=tuple(options.seeds),
        base=replace(SETTINGS[options.setting], **({"steps": options.steps} if options.steps else {})),
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
    print_table(
        "Points lost under the worst (95 % over items); by chance",
        ["variant", *(f"{family}: {cut}" for family, cut in loss_columns(summary))],
        loss_lines(summary),
    )
    print_line(f"seen: {', '.join(summary['seen'])}; unseen: {', '.join(summary['unseen'])}")
    print_table(
        "Work of each run",
        ["run", "steps", "seconds", "count, k", "seconds / augmented", "count / augmented"],
        cost_lines(summary),
    )
    print_table(
        "Following rate on conflict items, in percent",
        ["variant", *(f"{target}: {method}" for target, method in preference_columns(summary))],
        preference_lines(summary),
    )


if __name__ == "__main__":
    main()
