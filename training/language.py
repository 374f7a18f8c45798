"""Stages 2 to 7: teach the whole model to answer, then, briefly, to follow an instruction.

`python -m training.language pocket-qwen --runs DIR` after `training.vision`.

- language: no conflict at all.
- hear: lower layers learn to tell which modality an instruction names.
- knob: instructed conflicts until, on validation items with wording never trained on, an instruction is
  followed about six times in ten, whichever modality it names.
- polish: all of it together, at a falling rate.
- choose: to answer with a letter.
- finish: everything, with more of what is still hard, at a falling rate.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from training import speed, tokenizer
from training.architecture import build
from training.batch import Trainee
from training.loop import Run
from training.prompts import (
    Example,
    Mixture,
    chosen,
    conflict,
    example,
    instructed,
    joint,
    step_examples,
)
from trimtab.pocket import PocketItem, items

STEPS = {"pocket-qwen": 2200, "pocket-llava": 2100}
SAVE_EVERY, SEED = 100, 23
KNOB_STEPS, KNOB_EVERY = 400, 20
FOLLOWED = 0.62
HEAR_STEPS, HEARD_TOGETHER, POLISH_STEPS = 100, 48, 120
CHOOSE_STEPS, CHOSEN = 400, 0.9
CHOOSING = ("choose", "finish")
"""Stages that train the option head and the pointer."""
FINISH_STEPS, FINISH_EVERY = {"pocket-qwen": 920, "pocket-llava": 800}, 50
STAGES = {
    "language": Mixture(),
    "knob": Mixture(items=7, instructed=14, closed_book=1, both=2),
    "polish": Mixture(items=17, instructed=3),
    "choose": Mixture(items=8, instructed=2, closed_book=2, both=0, classification=6, chosen=20, choice_share=0.4),
    "finish": Mixture(items=19, instructed=1, closed_book=2, both=6, classification=4, chosen=4, choice_share=0.25),
}


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
        f"told_{target}": _share(learner, [instructed(item, target, "validation", rng) for item in sample])
        for target in ("image", "text")
    }


def choosing(learner: Trainee, sample: list[PocketItem]) -> dict[str, float]:
    """Right letters, from text and from image, and right names where both modalities are needed."""
    rng = random.Random("validate")
    joined = items("validation", kind="both")[: len(sample)]

    def shuffled(item: PocketItem) -> tuple[str, ...]:
        return tuple(rng.sample(item.choices, len(item.choices)))

    return {
        "choice_text": _share(learner, [chosen(i, None, i.context, i.answer_text, shuffled(i)) for i in sample]),
        "choice_image": _share(learner, [chosen(i, i.scene, None, i.answer_image, shuffled(i)) for i in sample]),
        "both": _share(learner, [joint(item, item.scene) for item in joined]),
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
    modules: dict[str, nn.Module] = {"model": learner.master}
    if stage != "language":
        modules["told"] = learner.told_head
    if stage in CHOOSING:
        modules["option"] = learner.option_head
    return Run(folder / stage, modules, parts, steps, warmup=min(100, steps // 10))


def _loss(learner: Trainee, stage: str) -> Callable[[int], tuple[float, dict[str, float]]]:
    def loss(step: int) -> tuple[float, dict[str, float]]:
        rng = random.Random(f"{stage}:{SEED}:{step}")
        value, right = learner.loss(step_examples(STAGES[stage], rng), with_options=stage in CHOOSING)
        return value, {"right": right, **learner.reads}

    return loss


def _hear(learner: Trainee) -> Callable[[int], tuple[float, dict[str, float]]]:
    def loss(step: int) -> tuple[float, dict[str, float]]:
        rng = random.Random(f"hear:{SEED}:{step}")
        examples = step_examples(Mixture(0, HEARD_TOGETHER, 0, 0, 0), rng)
        value, right = learner.hear([replace(asked, scene=None) for asked in examples])
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
    _stage(learner, "hear", folder, HEAR_STEPS, (0.0, 1.5e-3)).train(_hear(learner))
    knob = _stage(learner, "knob", folder, KNOB_STEPS, (3e-4, 1.5e-3))

    def partly_followed(step: int) -> bool:
        followed = following(learner, sample)
        knob.log({"at": step, **followed, **preference(learner, sample)})
        return min(followed.values()) >= FOLLOWED

    knob.train(_loss(learner, "knob"), KNOB_EVERY, partly_followed)
    polish = _stage(learner, "polish", folder, POLISH_STEPS, (2e-4, 8e-4))
    polish.train(
        _loss(learner, "polish"),
        KNOB_EVERY,
        lambda step: polish.log({"at": step, **accuracy(learner, sample), **following(learner, sample)}),
    )

    choose = _stage(learner, "choose", folder, CHOOSE_STEPS, (2e-4, 1.5e-3))

    def chooses(step: int) -> bool:
        right = choosing(learner, sample)
        choose.log({"at": step, **right})
        return min(right["choice_text"], right["choice_image"]) >= CHOSEN

    choose.train(_loss(learner, "choose"), KNOB_EVERY, chooses)
    finish = _stage(learner, "finish", folder, FINISH_STEPS[args.name], (3e-4, 1.2e-3))
    finish.train(
        _loss(learner, "finish"),
        FINISH_EVERY,
        lambda step: finish.log(
            {
                "at": step,
                **accuracy(learner, sample),
                **following(learner, sample),
                **preference(learner, sample),
                **choosing(learner, sample),
            }
        ),
    )


if __name__ == "__main__":
    main()
