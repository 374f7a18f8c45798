"""Diagnose interference, harden the model against it, and diagnose it again.

    python recipes/harden.py recipes/harden.yaml
    python recipes/harden.py recipes/harden.yaml --fast

With your own model and data: put their names into a copy of the YAML file. Data is a .jsonl file with a line for each
question: `id, task, question, relevant` (image, text or both), `answer`, `choices` and, where a picture belongs to it,
`image`. Everything is written below `out`; run the same command again after a crash and it goes on. `--fast` tries
every part on a few items, into a folder of its own.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import yaml

import trimtab as tt
from trimtab.interference import AttackConfig, DiagnosisConfig, HardenConfig, LoraConfig
from trimtab.interference.hardening import SEEN
from trimtab.report import write_report
from trimtab.report.interference import interference_verdicts
from trimtab.studies import choose_items, read_summary, run_study
from trimtab.studies.interference import InterferencePlan

FEW = {"test_items": 24, "conflict_items": 12, "steps": 6, "batch_size": 3, "evaluate_every": 3}


def main(settings: dict) -> None:
    """Run the recipe."""
    out = Path(settings["out"])
    model = tt.load(settings["model"])
    train = tt.read_items(settings["train"])
    validation = tt.read_items(settings["validation"])

    # 1. What harms the model as it is? Every kind of perturbation, also those it will not be trained on.
    diagnosis = DiagnosisConfig(scoring=("logits",), seed=settings["seed"])
    before = InterferencePlan(settings["model"], settings["test"], diagnosis, limit=settings["test_items"])
    run_study(before, out / "before")
    print(write_report(out / "before"))

    # 2. Harden it: every question clean and under each of these; answers must agree with the clean ones.
    attack = settings["attack_steps"]
    config = HardenConfig(
        perturbations=SEEN,
        consistency=settings["consistency"],
        mixture=settings["mixture"],
        weight=settings["weight"],
        attack=AttackConfig(steps=attack) if attack else None,
        method="lora",
        lora=LoraConfig(rank=settings["rank"], alpha=2.0 * settings["rank"]),
        steps=settings["steps"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        evaluate_every=settings["evaluate_every"],
        seed=settings["seed"],
    )
    hardened = tt.harden(model, train, out / "hardened", config, validation=validation)
    print(hardened.folder / "README.md")

    # 3. The same questions to the hardened model.
    better = tt.load(hardened.folder)
    after = replace(before, model=str(hardened.folder))
    run_study(after, out / "after")
    print(write_report(out / "after"))

    # 4. Say it in words, and in the numbers that decide.
    for name in ("before", "after"):
        summary = read_summary(out / name)
        print(f"\n{name}:")
        print(*interference_verdicts(summary), sep="\n")
        for row in summary["worst"]:
            print(
                f"  {row['relevant']:6} clean {100 * row['clean']:5.1f} %  worst {100 * row['worst']:5.1f} % "
                f"({row['condition']}, {row['worst_n']} of {row['n']} items)  "
                f"right under all {100 * row['always']:5.1f} %"
            )

    # 5. Did hardening change whom the model believes when image and text conflict?
    conflicts = choose_items(tt.read_items(settings["conflicts"]), settings["conflict_items"], settings["seed"])
    for name, each in (("before", model), ("after", better)):
        rates = tt.evaluate(each, conflicts, [tt.NoSteering(target="image").fit(each)]).rates
        row = rates[rates.task == "all"].iloc[0]
        print(f"{name}: {100 * row.following:.1f} % follow the image, {100 * row.others:.1f} % the text")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=Path)
    parser.add_argument("--fast", action="store_true", help="a few items and steps")
    options = parser.parse_args()
    told = yaml.safe_load(options.settings.read_text())
    main({**told, **FEW, "out": f"{told['out']}-fast"} if options.fast else told)
