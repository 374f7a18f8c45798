"""What a model answers to the items that were measured: shares do not say whether answers are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.engine import ModelOrEngine, Row, generate
from trimtab.items import Item, judge
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.studies.kit.length import answer_length

if TYPE_CHECKING:
    from pandas import DataFrame

PREDICTION, LABEL = "prediction", "label"
"""Columns beside those of ``Contributions``."""


def with_answers(
    table: DataFrame,
    model: ModelOrEngine,
    items: Sequence[Item],
    instruction: str | None,
    valid: Mapping[str, frozenset[str]],
    progress: Progress = SILENT,
) -> DataFrame:
    """Ask the model about the items of a table of contributions, and add its answers.

    Args:
        table: The contributions.
        model: The model.
        items: The items, among them all of the table.
        instruction: The sentence that they were measured under.
        valid: Valid answers of each task.
        progress: Told of answers as they finish.

    Returns:
        The table with ``prediction``, the answer, and ``label``: the modality that a conflict item's answer follows, or
        ``other``; None for an item with one right answer.
    """
    own = {item.id: item for item in items}
    asked = [own[name] for name in table["item_id"]]
    rows = [Row(prompt_for(item, instruction=instruction)) for item in asked]
    length = answer_length([model.name])
    texts = generate(model, rows, max_new_tokens=length, progress=progress, keep_broken=True).texts if rows else []
    labels = [
        judge(text, item, valid.get(item.task)).label if item.relevant is None else None
        for text, item in zip(texts, asked, strict=True)
    ]
    return table.assign(**{PREDICTION: list(texts), LABEL: labels})


def answer_counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the answers to conflict items, by what they follow; empty where none was asked for."""
    labels = [label for row in rows if isinstance(label := row.get(LABEL), str)]
    return {label: labels.count(label) for label in sorted(set(labels))}
