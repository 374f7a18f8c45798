"""Stage 1: the eyes learn the language model's own words, without a pass through it.

Each image token is to point, by its cosine, to the language model's embedding of the name of what stands there, and
the mean of all tokens to the embedding of the whole picture's answer. Without this stage the language model learns
to read at once, and hardly to see.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.loop import Run
from training.pixels import normalised
from training.smol.feeding import feed
from training.smol.parts import TOKENS_A_SIDE, Eyes
from training.vision import ANSWERS, NAMES, draw, places, whole_loss

BATCH, SEED = 64, 31
RATES = {"vision_tower": 3e-4, "multi_modal_projector": 2e-3, "sharpness": 1e-2}
SIZE = 3.0
"""Image tokens stay near so many times the embeddings' own root mean square, which later training finds useful."""
_NOTHING_WEIGHT = 0.3  # most tokens show nothing; names must not drown in them

_Scenes = tuple[Tensor, Tensor, list[str], list[str]]


class Words(nn.Module):
    """The language model's embeddings of what pictures show, centred; and how sharply to tell them apart."""

    names: Tensor
    answers: Tensor

    def __init__(self, embeddings: Tensor, tokenizer: Any) -> None:
        """Look the words up.

        Args:
            embeddings: words x width, the language model's own.
            tokenizer: Its tokenizer.
        """
        super().__init__()

        def of(words: list[str]) -> Tensor:
            rows = [
                embeddings[tokenizer(f" {word}", add_special_tokens=False)["input_ids"]].float().mean(0)
                for word in words
            ]
            table = torch.stack(rows)
            return F.normalize(table - table.mean(0), dim=1)

        self.register_buffer("names", of(["background" if name == "nothing" else name for name in NAMES]))
        self.register_buffer("answers", of([answer for values in ANSWERS.values() for answer in values[1]]))
        self.sharpness = nn.Parameter(torch.tensor(math.log(20.0)))


def train(eyes: Eyes, embeddings: Tensor, tokenizer: Any, steps: int, folder: Path, workers: int) -> None:
    """Train tower and projector towards the words.

    Args:
        eyes: Tower and projector, on the device that trains.
        embeddings: words x width, the language model's own.
        tokenizer: Its tokenizer.
        steps: How many.
        folder: Where log and state go; a killed run resumes.
        workers: Processes that draw pictures.
    """
    words = Words(embeddings.cpu(), tokenizer).to(eyes.device)
    usual = float(embeddings.float().pow(2).mean().sqrt())
    modules: dict[str, nn.Module] = dict(eyes.named_children()) | {"words": words}
    run = Run(folder, modules, RATES, steps, warmup=40, muon=False)
    batches = feed(_scenes, run.step, steps, workers)

    def loss(_: int) -> tuple[Tensor, dict[str, float]]:
        pixels, standing, kinds, answers = next(batches)
        tokens = eyes(pixels).float()
        pointing, sharpness = F.normalize(tokens, dim=-1), words.sharpness.exp()
        flat = standing.to(eyes.device).flatten()
        logits = pointing.flatten(0, 1) @ words.names.T * sharpness
        weights = torch.where(flat == 0, _NOTHING_WEIGHT, 1.0)
        place = (F.cross_entropy(logits, flat, reduction="none") * weights).sum() / weights.sum()
        whole, record = whole_loss(F.normalize(tokens.mean(1), dim=-1) @ words.answers.T * sharpness, kinds, answers)
        size = (tokens.pow(2).mean(-1).sqrt() / (SIZE * usual)).log().pow(2).mean()
        record["place"] = float((logits.argmax(-1) == flat)[flat > 0].float().mean())
        return place + whole + 0.1 * size, record

    run.train(loss, save_every=50)


def _scenes(step: int) -> _Scenes:
    rng = random.Random(f"words:{SEED}:{step}")
    scenes, kinds, answers = zip(*(draw(rng) for _ in range(BATCH)), strict=True)
    return (
        normalised(scenes),
        torch.from_numpy(np.stack([places(scene, TOKENS_A_SIDE) for scene in scenes])),
        list(kinds),
        list(answers),
    )
