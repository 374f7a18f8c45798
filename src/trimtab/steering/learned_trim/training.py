"""Train the networks through the frozen model."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import torch
from torch import Tensor

from trimtab.engine import Edit, Positions, encode
from trimtab.engine.local.whitebox import exclusive
from trimtab.fields import AtLeast, Between, Count, Positive, check_fields
from trimtab.models import Model, free_bytes, release
from trimtab.progress import Progress
from trimtab.steering.learned_trim.checkpoint import Checkpoint
from trimtab.steering.learned_trim.forcing import ForcedBatch, before_last, bytes_of
from trimtab.steering.learned_trim.networks import Networks, copied, put
from trimtab.steering.learned_trim.teaching import TaughtBatch, taught, taught_once
from trimtab.steering.lessons import Kind, Lesson

KEPT_SHARE = 0.25
"""Share of the free memory for keys and values of prompts between epochs; what is beyond is computed each time."""
WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""
MOST_NORM = 1.0
"""Longer gradients are shortened to this."""


@dataclass(frozen=True)
class TrainingConfig:
    """How the networks are trained.

    Attributes:
        epochs: Passes over the lessons; the epoch with the lowest loss on held-out items is kept.
        learning_rate: Of AdamW, at its highest; it falls to 0 along a cosine.
        weight_decay: Of AdamW.
        batch_size: Lessons of a step, and prompts that are computed together; less takes less memory.
        conflict_weight: How much a kind of lesson counts in which the target is to be followed; the other kinds count
            1, each as a whole, however many lessons it has.
        answer_tokens: Tokens of the teacher's answer that are learned from.
        kept_tokens: Likeliest tokens of the teacher at each step that are told apart.
        held_out: Share of the items held out to choose the epoch.
    """

    epochs: Count = 6
    learning_rate: Positive = 5e-3
    weight_decay: Annotated[float, AtLeast(0)] = 0.0
    batch_size: Count = 32
    conflict_weight: Positive = 3.0
    answer_tokens: Count = 6
    kept_tokens: Count = 256
    held_out: Annotated[float, Between(0, 1, without="both")] = 0.1

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class Course:
    """What is taught, and how.

    Attributes:
        lessons: The lessons.
        positions: Where vectors are added.
        config: How the networks are trained.
        seed: Seed of the held-out items and of the order.
    """

    lessons: Sequence[Lesson]
    positions: Positions
    config: TrainingConfig
    seed: int

    @cached_property
    def counts(self) -> dict[Kind, int]:
        """How many lessons there are of each kind."""
        kinds: list[Kind] = [lesson.kind for lesson in self.lessons]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    @cached_property
    def kind_weights(self) -> dict[Kind, float]:
        """What each kind counts; together 1."""
        follows = {lesson.kind for lesson in self.lessons if lesson.follows}
        heavy = self.config.conflict_weight
        weights: dict[Kind, float] = {kind: heavy if kind in follows else 1.0 for kind in self.counts}
        return {kind: weight / sum(weights.values()) for kind, weight in weights.items()}

    def weight(self, lesson: Lesson) -> float:
        """Return what a lesson counts; on average 1."""
        return self.kind_weights[lesson.kind] * len(self.lessons) / self.counts[lesson.kind]

    def split(self) -> tuple[list[int], list[int]]:
        """Hold items out: a lesson is held out if its own item is, and learned from if no item that made it is."""
        items = sorted({place for lesson in self.lessons for place in lesson.items})
        random.Random(f"held out {self.seed}").shuffle(items)
        kept = set(items[max(1, round(self.config.held_out * len(items))) :])
        held = [k for k, lesson in enumerate(self.lessons) if lesson.items[0] not in kept]
        return held, [k for k, lesson in enumerate(self.lessons) if kept.issuperset(lesson.items)]

    def batches(self, places: Sequence[int]) -> list[list[Lesson]]:
        """Cut lessons into batches that each have a share of every kind."""
        shuffled = list(places)
        random.Random(f"batches {self.seed}").shuffle(shuffled)
        shuffled.sort(key=lambda k: self.lessons[k].kind)
        count = math.ceil(len(shuffled) / self.config.batch_size)
        return [[self.lessons[k] for k in shuffled[start::count]] for start in range(count)]


@dataclass(frozen=True, eq=False)
class Part:
    """Some lessons with what their teachers say, as they are computed together."""

    lessons: Sequence[Lesson]
    taught: TaughtBatch
    batch: ForcedBatch

    def divergence(self, edits: tuple[Edit, ...]) -> Tensor:
        """Return KL(teacher || edited model) of each lesson in nats, ``(lessons,)``."""
        return self.taught.divergence(self.batch.scores(edits))


@exclusive
def train_networks(
    model: Model, networks: Networks, course: Course, checkpoint: Checkpoint, progress: Progress
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Minimise the weighted mean of ``KL(teacher || edited model)`` over lessons, each summed over its answer tokens.

    Args:
        model: The model, whose weights stay as they are.
        networks: What is trained, in place.
        course: What is taught.
        checkpoint: Where to go on from and what to write to after each epoch.
        progress: Told of teachers, lessons and epochs.

    Returns:
        The folded weights of the best epoch; and what was measured: lessons by kind, the best epoch, and the held-out
        loss by kind of the unedited model (``held_out_before``) and of the best epoch.
    """
    config, (held, learned) = course.config, course.split()
    own = [course.batches(places) for places in (learned, held)]
    every = _prepared(model, [*own[0], *own[1]], config, progress)
    parts, exam = every[: len(own[0])], every[len(own[0]) :]
    adam = torch.optim.AdamW(networks.weights.values(), lr=config.learning_rate, weight_decay=config.weight_decay)
    before = _by_kind(exam, ())
    state = checkpoint.resumed(networks.weights, adam)
    with progress.task("train networks", config.epochs) as advance:
        advance(state.epoch)
        for epoch in range(state.epoch, config.epochs):
            order = random.Random(f"{course.seed} {epoch}").sample(parts, len(parts))
            for step, part in enumerate(order, start=epoch * len(parts)):
                adam.param_groups[0]["lr"] = config.learning_rate * _rate(step, config.epochs * len(parts))
                _descend(part, networks, course, adam)
            with torch.no_grad():
                found = _by_kind(exam, networks.edits(course.positions))
            loss = sum(course.kind_weights[kind] * own for kind, own in found.items())
            if loss < state.loss:
                state.loss, state.best_epoch = loss, epoch + 1
                state.held_out = {str(kind): own for kind, own in found.items()}
                state.best = copied(networks.weights)
            state.epoch = epoch + 1
            checkpoint.write(state, networks.weights, adam)
            advance(1)
    put(networks.weights, state.best)
    return copied(networks.folded()), {
        "lessons": dict(course.counts),
        "held_out_lessons": len(held),
        "best_epoch": state.best_epoch,
        "held_out": state.held_out,
        "held_out_before": dict(before),
    }


def _descend(part: Part, networks: Networks, course: Course, adam: torch.optim.Optimizer) -> None:
    """Take one step."""
    adam.zero_grad()
    with torch.enable_grad():
        found = part.divergence(networks.edits(course.positions))
        weights = found.new_tensor([course.weight(lesson) for lesson in part.lessons])
        (found * weights).mean().backward()
    torch.nn.utils.clip_grad_norm_(networks.weights.values(), MOST_NORM)
    adam.step()


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: a rise, then a cosine."""
    return min(1.0, (step + 1) / max(1, round(WARM_UP * steps))) * (1 + math.cos(math.pi * step / steps)) / 2


def _prepared(
    model: Model, batches: Sequence[Sequence[Lesson]], config: TrainingConfig, progress: Progress
) -> list[Part]:
    """Ask the teachers, and keep what comes before the last prompt tokens, as far as there is room.

    A lesson that is left alone is its own teacher, so one pass over its prompt serves both.
    """
    release()  # what an earlier fit let go of is room, too
    room, lessons = KEPT_SHARE * free_bytes(model.device), [lesson for own in batches for lesson in own]
    looked = config.answer_tokens, config.kept_tokens
    others = [encode(model, lesson.teacher) for lesson in lessons if lesson.follows]
    said = taught_once(model, others, *looked, config.batch_size, progress)
    parts = []
    with progress.task("read lessons", len(lessons)) as advance:
        for own in batches:
            prompts = [encode(model, lesson.prompt) for lesson in own]
            prefix = before_last(model, prompts)
            alone = [k for k, lesson in enumerate(own) if not lesson.follows]
            theirs = None if prefix is None else prefix.rows(alone)
            answers = dict(zip(alone, taught(model, [prompts[k] for k in alone], theirs, *looked), strict=True))
            found = [answers.get(k) or said[encode(model, lesson.teacher).content] for k, lesson in enumerate(own)]
            room -= 0 if prefix is None else bytes_of(prefix)
            batch = ForcedBatch(model, prompts, [one.answer for one in found], prefix=prefix if room > 0 else None)
            parts.append(Part(own, TaughtBatch.joined(found, model.device), batch))
            advance(len(own))
    return parts


@torch.no_grad()
def _by_kind(parts: Sequence[Part], edits: tuple[Edit, ...]) -> dict[Kind, float]:
    """Return the mean divergence of each kind of lesson in nats."""
    found: dict[Kind, list[float]] = defaultdict(list)
    for part in parts:
        for lesson, own in zip(part.lessons, part.divergence(edits).tolist(), strict=True):
            found[lesson.kind].append(own)
    return {kind: sum(own) / len(own) for kind, own in sorted(found.items())}
