"""Stages 2 and 3: teach the whole model to answer, then, briefly, to heed an instruction.

`python -m training.language pocket-qwen --runs DIR` after `training.vision`. Stage 2 has no conflict
at all. Stage 3 adds instructed conflicts until, on validation items with wording never trained on, the
modality the model disfavours is followed about half the time; then it stops.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from training import speed, tokenizer
from training.architecture import build
from training.batch import Trainee
from training.loop import Run
from training.prompts import Example, Mixture, conflict, example, instructed, step_examples
from trimtab.pocket import PocketItem, items

STEPS = {"pocket-qwen": 1550, "pocket-llava": 1350}
SAVE_EVERY, SEED = 100, 23
KNOB_STEPS, KNOB_EVERY = 400, 20
HALF_FOLLOWED = 0.45
STAGES = {"language": Mixture(), "knob": Mixture(items=17, instructed=(4, 4), closed_book=2, both=3)}


def _share(learner: Trainee, examples: list[Example]) -> float:
    return sum(learner.right(examples)) / len(examples)


def accuracy(learner: Trainee, sample: list[PocketItem]) -> dict[str, float]:
    """Right answers from image alone and from text alone."""
    rng = random.Random("validate")
    return {
        condition: _share(learner, [example(item, condition, rng) for item in sample])
        for condition in ("image", "text")
    }


def preference(learner: Trainee, sample: list[PocketItem]) -> dict[str, float]:
    """How conflicts are answered without an instruction."""
    return {
        "prefers_image": _share(learner, [conflict(item, item.answer_image) for item in sample]),
        "prefers_text": _share(learner, [conflict(item, item.answer_text) for item in sample]),
    }


def following(learner: Trainee, sample: list[PocketItem]) -> dict[str, float]:
    """How often an instruction in words never trained on is followed."""
    rng = random.Random("validate")
    return {
        target: _share(learner, [instructed(item, target, "validation", rng) for item in sample])
        for target in ("image", "text")
    }


def _take_vision(model: nn.Module, state: Path) -> None:
    modules = torch.load(state, weights_only=True)["modules"]
    for name, weights in modules.items():
        if name != "heads":
            getattr(model.model, name).load_state_dict(weights)


def trainee(name: str, runs: Path) -> Trainee:
    """A model with the best tower there is, and its tokenizer, ready to train."""
    model = build(name, seed=SEED)
    vision = runs / name / "vision" / "state.pt"
    if vision.exists():
        _take_vision(model, vision)
    model.set_attn_implementation(speed.ATTENTION)
    return Trainee(model, tokenizer.bundled_or_new(name))


def _stage(learner: Trainee, stage: str, folder: Path, steps: int, rates: tuple[float, float]) -> Run:
    seeing, reading = rates
    parts = dict.fromkeys(("visual", "vision_tower", "multi_modal_projector"), seeing) | {"": reading}
    return Run(folder / stage, {"model": learner.master}, parts, steps, warmup=min(100, steps // 10))


def _loss(learner: Trainee, stage: str) -> Callable[[int], tuple[float, dict[str, float]]]:
    def loss(step: int) -> tuple[float, dict[str, float]]:
        rng = random.Random(f"{stage}:{SEED}:{step}")
        value, right = learner.loss(step_examples(STAGES[stage], rng))
        return value, {"right": right}

    return loss


def main() -> None:
    """Train one model from its vision tower to its final weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--runs", type=Path, required=True)
    args = parser.parse_args()
    speed.enable()
    learner = trainee(args.name, args.runs)
    sample = items("validation")[:120]
    folder = args.runs / args.name

    run = _stage(learner, "language", folder, STEPS[args.name], (6e-4, 2e-3))
    run.train(
        _loss(learner, "language"),
        SAVE_EVERY,
        lambda step: run.log({"at": step, **accuracy(learner, sample), **preference(learner, sample)}),
    )
    first = preference(learner, sample)
    disfavoured = "text" if first["prefers_image"] > first["prefers_text"] else "image"
    knob = _stage(learner, "knob", folder, KNOB_STEPS, (1e-4, 4e-4))

    def half_followed(step: int) -> bool:
        followed = following(learner, sample)
        knob.log({"at": step, **followed})
        return followed[disfavoured] >= HALF_FOLLOWED

    knob.train(_loss(learner, "knob"), KNOB_EVERY, half_followed)


if __name__ == "__main__":
    main()
