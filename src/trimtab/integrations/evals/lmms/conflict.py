"""The functions that the tasks of conflict items name in their YAML.

A document is one prompt of an item, as other models of lmms-eval understand it too. The items are the bundled ones; the
environment variable ``TRIMTAB_ITEMS`` names others, and ``TRIMTAB_IMAGES`` the folder of their pictures.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from datasets import Dataset

from trimtab.integrations.evals.conflicts import Conflicts, conflicts
from trimtab.integrations.evals.lmms.sources import chosen_source, told_plainly
from trimtab.integrations.evals.lmms.visuals import shown_by
from trimtab.integrations.evals.parts import PARTS, parts_of
from trimtab.items.answers import sides_of
from trimtab.modalities import MODALITIES, Modality
from trimtab.studies.kit.protocols import INCONSISTENT

Doc = Mapping[str, Any]
_PLACE, _SET = ("id", "turn", "turns"), ("source", "images", "protocol", "target")
"""Columns of a document: which prompt of which item it is, and of which items."""

SHARES = ("other", "collapse", "inconsistent")
"""Beside the share of each modality: replies that follow none; broken ones; those that the order of options decides."""


@told_plainly
def _docs(bundled: Dataset, *, protocol: str, target: Modality | None = None) -> Dataset:
    """Return a document for each prompt of each item."""
    source, images = chosen_source(bundled)
    asked = conflicts(source, images, protocol, target)
    docs = []
    for item in asked.items.values():
        prompts = asked.prompts(item, media=False)
        answers = {name: item.answer_of(name) for name in item.modalities}
        for turn, prompt in enumerate(prompts):
            docs.append(
                {
                    "id": item.id,
                    "subtask": item.task,
                    "turn": turn,
                    "turns": len(prompts),
                    "text": prompt.body()[0],
                    "answers": json.dumps(answers, ensure_ascii=False),
                    PARTS: parts_of(prompt),
                    "source": source,
                    "images": images or "",
                    "protocol": protocol,
                    "target": target or "",
                }
            )
    return Dataset.from_list(docs)


open_docs = partial(_docs, protocol="open")
single_docs = partial(_docs, protocol="single")
paired_docs = partial(_docs, protocol="paired")
instructed_image_docs = partial(_docs, protocol="open", target="image")
instructed_text_docs = partial(_docs, protocol="open", target="text")


def visuals(doc: Doc) -> list[Any]:
    """Return what a document's item shows."""
    return shown_by(_asked(doc).items[doc["id"]])


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, Any]:
    """Return what each metric needs of a reply: whether it counts, or the reply where an item has several prompts.

    What is under ``judged`` is for the log of samples alone.
    """
    record = {name: doc[name] for name in (*_PLACE, *_SET)} | {"reply": results[0]}
    metrics = (*sides_of(_asked(doc).items[doc["id"]]), *SHARES[: 2 if doc["turns"] == 1 else 3])
    if doc["turns"] > 1:
        return dict.fromkeys(metrics, record)
    judged = judged_items([record])[doc["id"]]
    return {name: _counts(name, judged) for name in metrics} | {"judged": {"id": doc["id"], **judged}}


def judged_items(records: Sequence[Doc]) -> dict[str, dict[str, Any]]:
    """Judge the items whose replies are all there: label, whether it is collapsed, and the reason, by the item's id."""
    replies: dict[str, dict[int, Doc]] = {}
    for record in records:
        replies.setdefault(record["id"], {})[record["turn"]] = record
    found = {}
    for name, own in replies.items():
        turns = [own[turn] for turn in sorted(own)]
        if len(turns) == turns[0]["turns"]:  # --limit may end between the prompts of one item
            asked = _asked(turns[0])
            judgement = asked.judge(asked.items[name], [one["reply"] for one in turns])
            found[name] = judgement._asdict()
    return found


def _share(values: Sequence[Any], *, metric: str) -> float:
    """Return the share of items that a metric counts."""
    counts = [one for one in values if isinstance(one, float)]
    counts = counts or [_counts(metric, one) for one in judged_items(values).values()]
    return sum(counts) / len(counts) if counts else float("nan")


image, text, audio, video = (partial(_share, metric=name) for name in MODALITIES)
other, collapse, inconsistent = (partial(_share, metric=name) for name in SHARES)


def _counts(metric: str, judged: Mapping[str, Any]) -> float:
    rules: dict[str, Callable[[], bool]] = {
        "collapse": lambda: judged["collapsed"],
        "inconsistent": lambda: judged["reason"] == INCONSISTENT,
    }
    return float(rules[metric]() if metric in rules else judged["label"] == metric)


def _asked(doc: Doc) -> Conflicts:
    return conflicts(doc["source"], doc["images"] or None, doc["protocol"], doc["target"] or None)
