"""How training goes, on items of the validation split."""

from __future__ import annotations

import random
from collections.abc import Sequence

from training.prompts import Example, conflict, example, instructed, joint
from training.smol.joint import Learner
from training.smol.rows import Batch, Writer, batch_of
from trimtab.pocket import PocketItem, items

SAMPLE, TOGETHER = 160, 80


def validation_batches(writer: Writer, count: int = SAMPLE) -> dict[str, list[Batch]]:
    """Ask validation items every way that is logged; conflicts too, which are never trained on."""
    rng, sample = random.Random("validate"), _spread(items("validation"), count)
    needing_both = _spread(items("validation", kind="both"), count)
    asked: dict[str, list[Example]] = {
        **{
            condition: [example(item, condition, rng) for item in sample]
            for condition in ("image", "text", "irrelevant")
        },
        "both": [joint(item, item.scene) for item in needing_both],
        "prefers image": [conflict(item, item.answer_image) for item in sample],
        "prefers text": [conflict(item, item.answer_text) for item in sample],
        **{
            f"told {target}": [instructed(item, target, "validation", rng) for item in sample]
            for target in ("image", "text")
        },
    }
    return {
        name: [
            batch_of([writer.row(one, 1.0) for one in examples[start : start + TOGETHER]])
            for start in range(0, count, TOGETHER)
        ]
        for name, examples in asked.items()
    }


def shares_right(learner: Learner, batches: dict[str, list[Batch]]) -> dict[str, float]:
    """The share answered so, of each way of asking."""
    return {
        name: sum(int(learner.right(batch).sum()) for batch in own) / sum(len(batch.ids) for batch in own)
        for name, own in batches.items()
    }


def _spread(found: Sequence[PocketItem], count: int) -> list[PocketItem]:
    return list(found[:: max(1, len(found) // count)][:count])
