"""Stage 2: eyes and language model together, on everything but conflicts.

Most rows are the benchmark's training prompts, each with one right answer. The others are plain text that the
language model itself wrote before it was changed: learning that again holds it where it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.loop import Run
from training.smol.feeding import feed
from training.smol.mixture import Size, draw_examples, seeing_examples
from training.smol.parts import Eyes
from training.smol.rows import Batch, Row, Writer, batch_of

SEED = 37
RATES = {"vision_tower": 1e-4, "multi_modal_projector": 4e-4, "adapter": 1e-3}
SEEING = 0.1
"""Share of the steps, at the start, that show pictures alone: reading comes at once, seeing does not."""
KEPT = 0.5
"""Weight of the language model's own text against the prompts'."""


class Learner(nn.Module):
    """Eyes and language model, as `LlavaForConditionalGeneration` joins them."""

    def __init__(self, eyes: Eyes, language_model: nn.Module, image_id: int) -> None:
        super().__init__()
        self.eyes, self.language_model, self.image_id = eyes, language_model, image_id

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits and labels at a batch's learned tokens."""
        embed = self.language_model.get_input_embeddings()  # pyright: ignore[reportCallIssue]
        ids, owners, places = (part.to(self.eyes.device) for part in (batch.ids, batch.owners, batch.places))
        embedded = embed(ids)
        if len(batch.picture_of):
            seen = self.eyes(batch.pixels)[batch.picture_of.to(ids.device)]
            here = (ids == self.image_id)[..., None].expand_as(embedded)
            embedded = embedded.masked_scatter(here, seen.to(embedded.dtype))
        hidden = self.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return hidden[owners, places - 1] @ embed.weight.T, ids[owners, places]

    @torch.no_grad()
    def right(self, batch: Batch) -> Tensor:
        """Whether greedy decoding would give each row's answer and stop: a boolean each."""
        logits, labels = self(batch)
        wrong = (logits.argmax(-1) != labels).float().cpu()
        return torch.zeros(len(batch.ids)).index_add(0, batch.owners, wrong) == 0


class Steps:
    """Makes the batch of each step, in any process."""

    def __init__(self, writer: Writer, replay: Tensor, size: Size) -> None:
        self._writer, self._replay, self._size = writer, replay, size

    def __call__(self, step: int) -> Batch:
        """Draw one step's rows."""
        rng = random.Random(f"joint:{SEED}:{step}")
        seeing = step < SEEING * self._size.steps
        examples = (seeing_examples if seeing else draw_examples)(self._size, rng)
        rows = [self._writer.row(example, 1 / len(examples)) for example in examples]
        kept = rng.sample(range(len(self._replay)), self._size.kept)
        return batch_of(rows + [Row(self._replay[number].tolist(), 1, None, KEPT / len(kept)) for number in kept])


def train(
    learner: Learner,
    adapter: nn.Module,
    writer: Writer,
    replay: Tensor,
    size: Size,
    folder: Path,
    workers: int,
    evaluate: Callable[[], dict[str, float]],
) -> None:
    """Train eyes and adapter together.

    Args:
        learner: Eyes and language model, which holds the adapter.
        adapter: The language model's change.
        writer: Writes prompts.
        replay: rows x tokens, text of the unchanged language model.
        size: Steps, and rows of each.
        folder: Where log and state go; a killed run resumes.
        workers: Processes that draw prompts and pictures.
        evaluate: Shares of right answers to log beside each saved state.
    """
    modules = dict(learner.eyes.named_children()) | {"adapter": adapter}
    run = Run(folder, modules, RATES, size.steps, warmup=max(10, size.steps // 40), muon=False)
    batches = feed(Steps(writer, replay, size), run.step, size.steps, workers)

    def loss(_: int) -> tuple[Tensor, dict[str, float]]:
        batch = next(batches)
        logits, labels = learner(batch)
        losses = F.cross_entropy(logits.float(), labels, reduction="none") * batch.weights.to(logits.device)
        own = batch.owners >= len(batch.ids) - size.kept
        return losses.sum(), {"own text": float(losses.detach()[own].sum()) / KEPT, "tokens": batch.ids.numel()}

    run.train(loss, save_every=max(1, size.steps // 5), after_save=lambda step: run.log({"at": step, **evaluate()}))
