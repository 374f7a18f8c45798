"""What steering does to conflicts and to everything else: the learned methods beside gated drop and Autotrim.

    python benchmarks/steering/side_effects.py --model pocket-qwen --target text --out runs/side-effects

Fits learned trim and the learned gate on 336 conflict items of pocket-mc2:train and 64 items of
pocket-interference:train that need image and text together, then asks items of ``--split`` under every method:
conflicts; the same items with a text or a picture that has nothing to do with the question, with a text that agrees
with the picture, and with one modality alone; and items that need both. Beside the rates stands the work, in computed
token positions, against no steering. A fitted artifact in the folder is used again, so another way of training wants
another folder; a fit that was stopped goes on. On a GPU thousands of lessons and wide batches take seconds:

    python benchmarks/steering/side_effects.py --items 1500 --joint 400 --epochs 20 --batch-size 256 --out runs/wide
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import trimtab as tt
from trimtab.engine import Prompt, generate
from trimtab.engine.local.whitebox import counted
from trimtab.items import Item, judge
from trimtab.items.prompts import prompt_for
from trimtab.items.readers.pocket import item_from_pocket
from trimtab.modalities import Modality
from trimtab.pocket import PocketItem
from trimtab.pocket import items as pocket_items
from trimtab.steering import Artifact, Autotrim, GatedDrop, Instruction, LearnedGate, LearnedTrim, Method, NoSteering
from trimtab.steering.learned_trim import TrainingConfig
from trimtab.steering.loading import load_steering
from trimtab.studies import choose_items
from trimtab.studies.kit.statistics import wilson

CONFLICTS, JOINT = 336, 64
METHODS = ["none", "gated_drop", "learned_gate", "autotrim", "learned_trim"]
UNTRAINED = {method.name: method for method in (NoSteering, GatedDrop, Autotrim, Instruction)}
KINDS = ("conflict", "irrelevant text", "agreeing text", "irrelevant picture", "image alone", "text alone", "both")


@dataclass(frozen=True, eq=False)
class Case:
    """A question of a kind; of all kinds but conflicts, ``item`` has the one right answer."""

    kind: str
    prompt: Prompt
    item: Item


def main() -> None:
    """Fit, ask, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--target", choices=("image", "text"), default="text")
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--conflicts", type=int, default=96)
    parser.add_argument("--controls", type=int, default=48)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--items", type=int, default=CONFLICTS, help="conflict items to learn from")
    parser.add_argument("--joint", type=int, default=JOINT, help="items to learn from that need both")
    parser.add_argument("--epochs", type=int, default=TrainingConfig.epochs)
    parser.add_argument("--batch-size", type=int, default=TrainingConfig.batch_size)
    parser.add_argument("--width", type=int, default=LearnedTrim.width)
    parser.add_argument("--seed", type=int, default=LearnedTrim.seed)
    parser.add_argument("--out", type=Path, default=Path("runs/side-effects"))
    args = parser.parse_args()
    model = tt.load(args.model)
    cases = cases_of(args.split, args.conflicts, args.controls)
    args.out.mkdir(parents=True, exist_ok=True)
    base = args.out / f"{args.model}-{args.target}"
    positions = None
    for name in args.methods:
        artifact = fitted(model, name, base, args)
        rates, work = profile(model, cases, artifact, args.target)
        positions = positions or work
        row = {"model": args.model, "target": args.target, "split": args.split, "method": name, "work": work, **rates}
        print(f"{name:13}", "  ".join(f"{k} {v[0]:.0%} ({v[1]:.0%}-{v[2]:.0%})" for k, v in rates.items()), end="  ")
        print(f"work {work / positions:.2f}", flush=True)
        with (args.out / "side_effects.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def fitted(model: tt.Model, name: str, base: Path, args: argparse.Namespace) -> Artifact:
    """Return the artifact of a method; a learned one is kept in a folder."""
    if name in UNTRAINED:
        return UNTRAINED[name](args.target).fit(model)
    folder = base.with_name(f"{base.name}-{name}")
    if (folder / "config.json").exists():
        return load_steering(folder, model)
    conflicts = choose_items(tt.read_items("pocket-mc2:train"), args.items, seed=0)
    joint = [i for i in tt.read_items("pocket-interference:train") if i.relevant == ("image", "text")]
    items = [*conflicts, *choose_items(joint, args.joint, seed=0)]
    artifact = learner(name, folder, args).fit(model, items)
    print(json.dumps(artifact.metrics), flush=True)
    artifact.save(folder)
    return artifact


def learner(name: str, folder: Path, args: argparse.Namespace) -> Method:
    """Return a method that learns, with the options of the command."""
    if name == LearnedGate.name:
        return LearnedGate(args.target, seed=args.seed)
    training = TrainingConfig(epochs=args.epochs, batch_size=args.batch_size)
    checkpoint = f"{folder}.safetensors"
    return LearnedTrim(args.target, width=args.width, training=training, checkpoint=checkpoint, seed=args.seed)


def cases_of(split: str, conflicts: int, controls: int) -> list[Case]:
    """Make the conflicts and controls of a split."""
    records, items = chosen(split, "conflict", conflicts)
    rng = random.Random(0)
    cases = [Case("conflict", prompt_for(item), item) for item in items]
    for record, item in zip(records[:controls], items, strict=False):
        prompt = prompt_for(item)
        other = rng.choice([one for one in items if one.task != item.task])
        image, text = right_by(item, "image"), right_by(item, "text")
        cases += [
            Case("irrelevant text", replace(prompt, context=record.irrelevant_context), image),
            Case("agreeing text", replace(prompt, context=record.agreeing_context), image),
            Case("irrelevant picture", prompt.with_media("image", prompt_for(other).media["image"]), text),
            Case("image alone", prompt.without("text"), image),
            Case("text alone", prompt.without("image"), text),
        ]
    return cases + [Case("both", prompt_for(i), right_by(i, "image")) for i in chosen(split, "both", controls)[1]]


def chosen(split: str, kind: str, n: int) -> tuple[list[PocketItem], list[Item]]:
    """Choose records of the benchmark, which have more texts than items do, with their items."""
    records = {record.id: record for record in pocket_items(split, kind=kind)}
    items = list(choose_items([item_from_pocket(record) for record in records.values()], n, seed=0))
    return [records[item.id] for item in items], items


def right_by(item: Item, side: Modality) -> Item:
    """Return an item with one right answer."""
    other = {"image": "text", "text": "image"}[side]
    return item.replace(relevant=side, **{f"answer_{other}": "", f"aliases_{other}": ()})


def profile(
    model: tt.Model, cases: Sequence[Case], artifact: Artifact, target: Modality
) -> tuple[dict[str, tuple[float, float, float]], int]:
    """Return the rates by kind, with 95 % intervals, and the positions computed, padding included."""
    model.forget_media()
    with counted(model) as work:
        asks = artifact.asks(model, [case.prompt for case in cases])
        texts = generate(model, asks, max_new_tokens=10, keep_broken=True, batch_size=32).texts
    found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for case, text in zip(cases, texts, strict=True):
        label = judge(text, case.item).label
        found[case.kind].append(label == target if case.kind == "conflict" else label != "other")
    rates = {kind: wilson(sum(own), len(own)) for kind, own in found.items()}
    return {kind: (rate.value, rate.low, rate.high) for kind, rate in rates.items()}, work.positions


if __name__ == "__main__":
    main()
