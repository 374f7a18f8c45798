"""Whether the state of the last prompt token tells a conflict from a question that steering should leave alone.

    python -m benchmarks.steering.irrelevance_probe --model pocket-qwen

Reads that state behind every layer for conflict items and for controls made of the same items: a text of sentences
that say nothing, the text of another task's item, another task's picture, a text that agrees with the picture; and for
items that need both modalities. At each layer, for each kind of control, a linear probe and a small network learn to
tell conflicts from it on three fifths of the training items. A fifth chooses weight decay and layer. The last fifth has
sentences that the probe has seen in other items; validation items have new ones, and new pairs of answers. There are as
many conflicts as controls, so plain accuracy is balanced accuracy. States are kept in ``--out`` and used again.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.steering.side_effects import chosen
from torch import Tensor
from torch.nn import Linear, Module, ReLU, Sequential
from torch.nn.functional import binary_cross_entropy_with_logits

import trimtab as tt
from trimtab.contribution.ranks import auroc
from trimtab.engine import Prompt, Read, Row, run
from trimtab.items.prompts import prompt_for
from trimtab.studies.kit.statistics import clustered_rate

CONTROLS = ("irrelevant text", "text of another task", "irrelevant picture", "agreeing text", "both")
PROBES = {"linear": 0, "network": 64}
"""Hidden units."""
DECAYS = (0.1, 1.0, 10.0)
FIFTHS = ((0, 1, 2), (3,), (4,))
"""Of the training items: to fit, to choose, held out."""
Rate = tuple[float, float, float]
"""A value with its 95 % interval."""


@dataclass(frozen=True)
class Found:
    """How well one probe of one layer tells conflicts from a control; layers are compared by ``choose`` alone."""

    model: str
    control: str
    probe: str
    layer: int
    choose: float
    held_out: Rate
    validation: Rate
    validation_area: Rate


def main() -> None:
    """Read, probe, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--train", type=int, default=400, help="conflict items; as many controls of each kind")
    parser.add_argument("--validation", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/irrelevance-probe"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = tt.load(args.model)
    sizes = {"train": args.train, "validation": args.validation}
    train, validation = (
        read(model, questions(split, n), args.out / f"{args.model}-{split}-{n}.npz") for split, n in sizes.items()
    )
    found = []
    print("| model | control | probe | layer | held out | validation | validation AUC | best in hindsight |")
    print("|---|---|---|---|---|---|---|---|")
    for control in CONTROLS:
        for probe in PROBES:
            layers = [
                Found(args.model, control, probe, layer, *probed(train, validation, control, layer, PROBES[probe]))
                for layer in range(model.n_layers)
            ]
            print(line(layers), flush=True)
            found += layers
    (args.out / f"{args.model}.json").write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


def questions(split: str, n: int) -> dict[str, list[Prompt]]:
    """Make the conflicts and controls of a split, by kind."""
    records, items = chosen(split, "conflict", n)
    rng = random.Random(0)
    made: dict[str, list[Prompt]] = {kind: [] for kind in ("conflict", *CONTROLS[:-1])}
    for record, item in zip(records, items, strict=True):
        prompt = prompt_for(item)
        other = prompt_for(rng.choice([one for one in items if one.task != item.task]))
        made["conflict"].append(prompt)
        made["irrelevant text"].append(replace(prompt, context=record.irrelevant_context))
        made["text of another task"].append(replace(prompt, context=other.context))
        made["irrelevant picture"].append(prompt.with_media("image", other.media["image"]))
        made["agreeing text"].append(replace(prompt, context=record.agreeing_context))
    return {**made, "both": [prompt_for(item) for item in chosen(split, "both", n)[1]]}


def read(model: tt.Model, asked: dict[str, list[Prompt]], path: Path) -> dict[str, Tensor]:
    """Return the last prompt token's states of all layers by kind, ``(questions, layers, hidden)``, kept in a file."""
    if not path.exists():
        layers = tuple(range(model.n_layers))
        states = {}
        for kind, prompts in asked.items():
            kept = run(model, [Row(prompt) for prompt in prompts], Read(logits=False, hidden=layers), batch_size=64)
            states[kind] = torch.stack([kept.hidden[layer] for layer in layers], dim=1).float().cpu().numpy()
        np.savez(path, **states)
    with np.load(path) as kept:
        return {kind: torch.from_numpy(kept[kind]) for kind in asked}


def probed(
    train: dict[str, Tensor], validation: dict[str, Tensor], control: str, layer: int, width: int
) -> tuple[float, Rate, Rate, Rate]:
    """Return accuracies of a probe: on the fifth that chooses, held out and on validation items, and the last's AUC."""
    fit, choose, held_out = (labelled(train, control, layer, fifths) for fifths in FIFTHS)
    new = labelled(validation, control, layer)
    mean, scale = fit[0].mean(0), fit[0].std(0).clamp_min(1e-4)
    tried = [trained((fit[0] - mean) / scale, fit[1], decay, width) for decay in DECAYS]

    def scores(probe: Module, states: Tensor) -> Tensor:
        with torch.no_grad():
            return probe((states - mean) / scale)[:, 0]

    def right(probe: Module, states: Tensor, conflict: Tensor) -> Tensor:
        return (scores(probe, states) > 0) == conflict

    best = max(tried, key=lambda probe: right(probe, *choose).sum())
    area = auroc(scores(best, new[0]).tolist(), new[1].tolist())
    return (
        float(right(best, *choose).float().mean()),
        rate(right(best, *held_out), control),
        rate(right(best, *new), control),
        (area.value, area.low, area.high),
    )


def labelled(
    states: dict[str, Tensor], control: str, layer: int, fifths: Sequence[int] = range(5)
) -> tuple[Tensor, Tensor]:
    """Return a layer's states in some fifths of the items, conflicts first, and which of them are conflicts."""
    kept = [k for k in range(len(states["conflict"])) if k % 5 in fifths]
    both = torch.cat([states["conflict"][kept, layer], states[control][kept, layer]])
    return both, torch.arange(len(both)) < len(kept)


def trained(states: Tensor, conflict: Tensor, decay: float, width: int) -> Module:
    """Train a linear probe, or a network with so many hidden units, by logistic loss."""
    torch.manual_seed(0)
    size = states.shape[1]
    probe = Sequential(Linear(size, width), ReLU(), Linear(width, 1)) if width else Linear(size, 1)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3 if width else 1e-2, weight_decay=decay)
    for _ in range(150 if width else 300):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(probe(states)[:, 0], conflict.float()).backward()
        optimizer.step()
    return probe


def rate(right: Tensor, control: str) -> Rate:
    """Return an accuracy with its interval; a conflict and the control made of it are of one cluster."""
    places = range(len(right)) if control == "both" else [k % (len(right) // 2) for k in range(len(right))]
    found = clustered_rate(right.tolist(), list(places))
    return found.value, found.low, found.high


def line(layers: Sequence[Found]) -> str:
    """Say how the chosen layer does, and the most that any layer would reach on validation items."""
    best = max(layers, key=lambda one: one.choose)
    hindsight = max(layers, key=lambda one: one.validation)
    rates = [f"{v:.0%} ({low:.0%} to {high:.0%})" for v, low, high in (best.held_out, best.validation)]
    area = "{:.2f} ({:.2f} to {:.2f})".format(*best.validation_area)
    most = f"{hindsight.validation[0]:.0%} at {hindsight.layer}"
    return "| " + " | ".join([best.model, best.control, best.probe, str(best.layer), *rates, area, most]) + " |"


if __name__ == "__main__":
    main()
