"""Stage 1: teach the vision tower to see, before it meets any text.

`python -m training.vision pocket-qwen --runs DIR`. The tower and its projector are trained through
two linear heads: one on the mean of the image tokens (what does the picture show?), one on each
token (what stands here?). Without this stage the models learn to read, and ignore the image.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import speed
from training.architecture import WIDTH, build
from training.loop import Run
from training.pixels import image_tokens, normalised
from trimtab.pocket import bank
from trimtab.pocket.layouts import compose
from trimtab.pocket.scene import SIDE, Scene

STEPS = 2000
BATCH, SEED = 64, 11

_OBJECTS = tuple(bank.OBJECT_PICTURES)
ANSWERS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float]] = {
    # kind: (what is asked about, answers, share)
    "object": (("",), _OBJECTS, 2.2),
    "sport": (("",), tuple(bank.SPORTS), 0.8),
    "activity": (("",), tuple(bank.ACTIVITIES), 1.0),
    "mood": (("",), tuple(bank.MOODS), 1.0),
    "color": (tuple(bank.DYEABLE), tuple(bank.COLORS), 0.6),
    "count": (tuple(bank.COUNTABLE), bank.NUMBERS, 2.0),
    "pattern": (bank.PRINTABLE, bank.PATTERNS, 2.0),
    "orientation": (tuple(bank.TURNABLE), bank.ORIENTATIONS, 2.0),
    "size": (tuple(bank.TURNABLE), bank.SIZES, 0.4),
    "shape": (_OBJECTS, bank.SHAPES, 2.0),
    "corner": (_OBJECTS, bank.CORNERS, 1.5),
    "arrangement": (_OBJECTS, bank.ARRANGEMENTS, 1.5),
}
NAMES = ("nothing", *dict.fromkeys((*_OBJECTS, *bank.DYEABLE, *bank.SPORTS, *bank.ACTIVITIES, *bank.MOODS)))
_OFFSETS = dict(zip(ANSWERS, np.cumsum([0] + [len(v[1]) for v in ANSWERS.values()]).tolist(), strict=False))
_LABELS = sum(len(values[1]) for values in ANSWERS.values())


class Heads(nn.Module):
    """The two linear heads, thrown away afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.whole = nn.Linear(WIDTH, _LABELS)
        self.place = nn.Linear(WIDTH, len(NAMES))


def draw(rng: random.Random) -> tuple[Scene, str, str]:
    """Draw a scene with its kind and its answer."""
    kind = rng.choices(list(ANSWERS), [values[2] for values in ANSWERS.values()])[0]
    subjects, answers, _ = ANSWERS[kind]
    subject = "|".join(rng.sample(subjects, 2)) if kind == "arrangement" else rng.choice(subjects)
    answer = rng.choice(answers)
    return compose(kind, subject, answer, rng), kind, answer


def places(scene: Scene, side: int) -> np.ndarray:
    """Say which picture covers the middle of each image token."""
    grid = np.zeros((side, side), np.int64)
    centers = (np.arange(side) + 0.5) * SIDE / side
    for sprite in scene.sprites:
        if sprite.name == "scenery":
            continue
        rows = np.abs(centers - sprite.y) < 0.45 * sprite.size
        columns = np.abs(centers - sprite.x) < 0.45 * sprite.size
        row, column = (min(side - 1, max(0, int(v * side / SIDE))) for v in (sprite.y, sprite.x))
        rows[row] = columns[column] = True
        grid[np.ix_(rows, columns)] = NAMES.index(sprite.name)
    return grid.reshape(-1)


def whole_loss(logits: Tensor, kinds: list[str], answers: list[str]) -> tuple[Tensor, dict[str, float]]:
    """Compute the mean loss of telling each picture's answer among those of its kind, and the shares right.

    Args:
        logits: pictures x all answers of ``ANSWERS``, one kind after the other.
        kinds: Each picture's kind.
        answers: Each picture's answer.
    """
    total, record = logits.new_zeros(()), {}
    for kind in set(kinds):
        rows = [i for i, other in enumerate(kinds) if other == kind and kind != "arrangement"]
        if not rows:
            continue
        options = ANSWERS[kind][1]
        part = logits[rows, _OFFSETS[kind] : _OFFSETS[kind] + len(options)]
        labels = torch.tensor([options.index(answers[i]) for i in rows], device=logits.device)
        total = total + F.cross_entropy(part, labels, reduction="sum")
        record[kind] = float((part.argmax(-1) == labels).float().mean())
    return total / len(kinds), record


def main() -> None:
    """Train the tower of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--runs", type=Path, required=True)
    args = parser.parse_args()
    speed.enable()
    model, heads = build(args.name), Heads()
    model.set_attn_implementation(speed.ATTENTION)
    parts = ("visual",) if hasattr(model.model, "visual") else ("vision_tower", "multi_modal_projector")
    modules: dict[str, nn.Module] = {part: getattr(model.model, part) for part in parts}
    modules["heads"] = heads
    run = Run(args.runs / args.name / "vision", modules, {"": 3e-3}, STEPS, warmup=100)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = random.Random(f"{SEED}:{step}")
        scenes, kinds, answers = zip(*(draw(rng) for _ in range(BATCH)), strict=True)
        with torch.autocast("cpu", torch.bfloat16):
            tokens = image_tokens(model, normalised(scenes))
        tokens = heads.norm(tokens.float())
        whole, record = whole_loss(heads.whole(tokens.mean(1)), list(kinds), list(answers))
        side = round(tokens.shape[1] ** 0.5)
        standing = torch.from_numpy(np.stack([places(scene, side) for scene in scenes]))
        logits = heads.place(tokens).flatten(0, 1)
        record["place"] = float((logits.argmax(-1) == standing.flatten())[standing.flatten() > 0].float().mean())
        return whole + F.cross_entropy(logits, standing.flatten()), record

    run.train(loss)


if __name__ == "__main__":
    main()
