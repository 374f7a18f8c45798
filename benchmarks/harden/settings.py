"""Which setting of hardening does least harm: chosen on validation items, then read on test items.

    python benchmarks/harden/settings.py run --model pocket-llava --out runs/settings [--seeds 0 1] [--part 0/2]
    python benchmarks/harden/settings.py table --out runs/settings [--each 1]

``run`` hardens a model in every setting and seed and writes each run as one line of a .jsonl file: every answer to the
validation and the test items, clean and under each seen perturbation; the share of conflict items that follow the
image, and of agreeing ones that are right. The parts ``0/2`` and ``1/2`` can run beside each other. A stopped run goes
on, and ``--deadline`` begins no run that would not end before so many seconds. ``table`` chooses and prints.

The rule of choice, written before any test item was read. The aims are that items which need both modalities lose at
most 1 point against the model as it is, that no other family's clean accuracy does either, and that the worst seen
perturbation is within 2 points of clean, in each family of both models. A setting's *shortfall* is the sum, over models
and families, of the points by which the mean over seeds misses these aims on validation items. The setting of the
smallest shortfall is chosen for both models; of settings within half a point of it, the one that trains on the fewest
items, and of those the one that stands first below. A setting counts if it was run on both models with equally many
seeds as the others.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trimtab as tt
from trimtab.engine import generate
from trimtab.interference import CLEAN, DiagnosisConfig, HardenConfig, diagnose
from trimtab.interference.hardening import SEEN
from trimtab.items import Item, MediaHeld, cluster_of, judge
from trimtab.items.prompts import prompt_for
from trimtab.items.readers.pocket import texts_from_pocket
from trimtab.studies import choose_items
from trimtab.studies.interference.variants import WORST_SEEN, accuracy_table

DATA = "pocket-interference"
WIDE = HardenConfig(consistency="js", steps=100, batch_size=32, learning_rate=1e-3, evaluate_every=1000)
SETTINGS: dict[str, HardenConfig] = {
    "as documented": replace(WIDE, steps=120, batch_size=3, learning_rate=2e-3),
    "wide": WIDE,
    "long, text twice": replace(WIDE, steps=160, mixture={"image": 1, "text": 2, "both": 1}),
    "long": replace(WIDE, steps=160),
    "long, rate 5e-4": replace(WIDE, steps=160, learning_rate=5e-4),
}
AS_IT_IS = "as it is"
LOST, HARM = 0.01, 0.02
"""Most that clean accuracy may lose, and that the worst seen perturbation may do."""


def main() -> None:
    """Run the part asked for, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--each", type=int, help="read only so many runs of each setting, for a table")
    parser.add_argument("--part", default="0/1")
    parser.add_argument("--deadline", type=float, default=float("inf"))
    parser.add_argument("--test-items", type=int, default=750)
    parser.add_argument("--validation-items", type=int, default=600)
    parser.add_argument("--steps", type=int, help="of every run, to try the path")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    run(options) if options.what == "run" else table(lines_of(options.out), options.each)


def run(options: argparse.Namespace) -> None:
    """Harden and test, setting by setting and seed by seed."""
    start, (part, parts) = time.perf_counter(), map(int, options.part.split("/"))
    train, model = drawn(tt.read_items(f"{DATA}:train")), tt.load(options.model)
    splits = {"validation": options.validation_items, "test": options.test_items}
    chosen = {name: drawn(choose_items(tt.read_items(f"{DATA}:{name}"), n, 0)) for name, n in splits.items()}
    wanted = [(AS_IT_IS, 0), *((name, seed) for seed in options.seeds for name in options.settings)][part::parts]
    done = {(line["model"], line["setting"], line["seed"]) for line in lines_of(options.out)}
    file, second = options.out / f"{options.model}-{part}-of-{parts}.jsonl", 0.0
    for name, seed in [one for one in wanted if (options.model, *one) not in done]:
        config = replace(SETTINGS.get(name, WIDE), seed=seed)
        config = replace(config, steps=options.steps) if options.steps else config
        began, items = time.perf_counter(), 0 if name == AS_IT_IS else config.steps * config.batch_size
        if began - start + second * items > options.deadline:
            continue
        with TemporaryDirectory() as folder:
            hardened = model if name == AS_IT_IS else tt.load(tt.harden(model, train, folder, config).folder)
        trained = time.perf_counter() - began
        second = max(second, trained / items if items else 0.0)
        line: dict[str, Any] = {"model": options.model, "setting": name, "seed": seed, "items": items}
        line |= {"answers": {s: answers(hardened, chosen[s]) for s in splits}}
        line |= {**behaviour(hardened), "device": str(model.device), "config": asdict(config)}
        line |= {"seconds": trained, "seconds_of_tests": time.perf_counter() - began - trained}
        with file.open("a") as out:
            out.write(json.dumps(line) + "\n")
        print(f"{options.model} {name} {seed}: {trained:.0f} + {line['seconds_of_tests']:.0f} s", flush=True)


def drawn(items: Sequence[Item]) -> list[Item]:
    """Draw each picture once for all runs."""
    return [item if item.image is None else item.replace(image=MediaHeld(item.image.open())) for item in items]


def answers(model: tt.Model, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return a row for each item: its family, cluster, and whether it is right clean and under each perturbation."""
    found = diagnose(model, items, DiagnosisConfig(SEEN)).answers
    rows: dict[str, dict[str, Any]] = {}
    for name, family, condition, right in found[["id", "relevant", "condition", "correct"]].itertuples(index=False):
        rows.setdefault(name, {"id": name, "relevant": family})[condition] = bool(right)
    clusters = {item.id: cluster_of(item) for item in items}
    return [{**row, "cluster": clusters[row["id"]]} for row in rows.values()]


def behaviour(model: tt.Model, n: int = 160) -> dict[str, float]:
    """Return what open questions are answered by where picture and text conflict, and how often right if they agree."""
    items, texts = choose_items(tt.read_items("pocket-mc2:test"), n, 0), texts_from_pocket("test")
    prompts = [prompt_for(item) for item in items]
    agreeing = [replace(prompt, context=texts[item.id][1]) for prompt, item in zip(prompts, items, strict=True)]
    replies = generate(model, [*prompts, *agreeing], max_new_tokens=10).texts
    labels = [judge(text, item).label for text, item in zip(replies, [*items, *items], strict=True)]
    follow = {f"follow_{side}": labels[:n].count(side) / len(items) for side in ("image", "text")}
    return {**follow, "agreeing": labels[n:].count("image") / len(items)}


def lines_of(out: Path) -> list[dict[str, Any]]:
    """Read every line in a folder; one that was cut off is passed over."""
    found = []
    for line in (line for path in sorted(out.glob("*.jsonl")) for line in path.read_text().splitlines()):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def table(lines: Sequence[dict[str, Any]], each: int | None = None) -> None:
    """Print the shortfall of each setting on validation items, the choice, and what it does on test items."""
    models = sorted({line["model"] for line in lines})
    runs = {
        (m, s): [x for x in lines if (x["model"], x["setting"]) == (m, s)][:each] for m in models for s in named(lines)
    }
    seeds = {name: tuple(len(runs[m, name]) for m in models) for name in named(lines) if name != AS_IT_IS}
    whole = max(min(counts) for counts in seeds.values())
    short = {name: shortfall(models, runs, name) for name in seeds if min(seeds[name]) == whole}
    near = [name for name in SETTINGS if name in short and short[name] <= min(short.values()) + 0.005]
    choice = min(near, key=lambda name: runs[models[0], name][0]["items"])
    for split in ("validation", "test"):
        for model in models:
            print(f"\n{model}, {split} items, percent; seeds: {whole}")
            for name in (AS_IT_IS, *SETTINGS):
                for text in rows_of(runs.get((model, name), ()), split):
                    print(f"{'*' if name == choice else ' '} {name:22} {text}")
    print("\nshortfall on validation, points:", {name: round(100 * value, 1) for name, value in short.items()})
    print(f"chosen: {choice}; passed over for too few seeds: {[name for name in seeds if name not in short]}")


def named(lines: Sequence[dict[str, Any]]) -> list[str]:
    """Return the settings that were run."""
    return list(dict.fromkeys(line["setting"] for line in lines))


def shortfall(models: Sequence[str], runs: dict[tuple[str, str], list[dict[str, Any]]], name: str) -> float:
    """Return by how much the aims are missed on validation items, all together."""
    total = 0.0
    for model in models:
        before, after = (cuts(runs[model, one], "validation") for one in (AS_IT_IS, name))
        for (family, condition), row in after.items():
            if condition == CLEAN:
                total += max(0.0, before[family, CLEAN]["accuracy"] - row["accuracy"] - LOST)
            elif condition == WORST_SEEN:
                total += max(0.0, row["loss"] - HARM)
    return total


def cuts(lines: Sequence[dict[str, Any]], split: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return rows of ``accuracy_table`` by family and condition, of all seeds of a setting."""
    runs = [
        [
            {**{key: row[key] for key in ("id", "relevant", "cluster")}, "condition": name, "correct": row[name]}
            for row in line["answers"][split]
            for name in (CLEAN, *SEEN)
            if name in row
        ]
        for line in lines
    ]
    return {(r["relevant"], r["condition"]): r for r in accuracy_table("", runs, {CLEAN, *SEEN})}


def rows_of(lines: Sequence[dict[str, Any]], split: str) -> Iterator[str]:
    """Write a line for each family: accuracies, the loss under the worst with its interval and by chance, behaviour."""
    if not lines:
        return
    found = cuts(lines, split)
    for family in dict.fromkeys(family for family, _ in found):
        each = {name: row["accuracy"] for (own, name), row in found.items() if own == family and name in (CLEAN, *SEEN)}
        worst = found[family, WORST_SEEN]
        low, high = (100 * worst[end] for end in ("loss_low", "loss_high"))
        yield (
            f"{family:5} {'  '.join(f'{name} {100 * rate:.1f}' for name, rate in each.items())}  worst loses "
            f"{100 * worst['loss']:.1f} ({low:.1f} to {high:.1f}), by chance {100 * worst['chance']:.1f}"
        )
    mean = {key: sum(x[key] for x in lines) / len(lines) for key in ("follow_image", "follow_text", "agreeing")}
    yield "  ".join(f"{key} {100 * rate:.1f}" for key, rate in mean.items())


if __name__ == "__main__":
    main()
