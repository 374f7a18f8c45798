"""The functions that the task of irrelevant modalities names in its YAML; see ``conflict`` of where items come from."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from datasets import Dataset

from trimtab.integrations.evals.irrelevant import Perturbed, perturbed
from trimtab.integrations.evals.lmms.sources import chosen_source, told_plainly
from trimtab.integrations.evals.lmms.visuals import visuals_of
from trimtab.integrations.evals.parts import PARTS, parts_of
from trimtab.interference.views import CLEAN

Doc = Mapping[str, Any]


@told_plainly
def docs(bundled: Dataset) -> Dataset:
    """Return a document for each item under each condition that fits it, the clean one first."""
    source, images = chosen_source(bundled)
    asked = perturbed(source, images)
    found = []
    for item in asked.items.values():
        for condition in asked.conditions:
            view = asked.view(item, condition)
            if view is not None:
                prompt = asked.prompt(view)
                found.append(
                    {
                        "id": item.id,
                        "subtask": item.task,
                        "condition": condition,
                        "text": prompt.body()[0],
                        "answer": item.answer,
                        PARTS: parts_of(prompt),
                        "source": source,
                        "images": images or "",
                    }
                )
    return Dataset.from_list(found)


def visuals(doc: Doc) -> list[Any]:
    """Return what a document's view shows."""
    asked = _asked(doc)
    view = asked.view(asked.items[doc["id"]], doc["condition"])
    assert view is not None
    return visuals_of({source.kind: (source.open(),) for source in view.shown})


def process_results(doc: Doc, results: Sequence[str]) -> dict[str, Any]:
    """Return what each metric needs of a reply; ``judged`` is for the log of samples alone."""
    asked = _asked(doc)
    option, right = asked.judge(asked.items[doc["id"]], results[0])
    judged = {"id": doc["id"], "condition": doc["condition"], "option": -1 if option is None else option}
    judged["correct"] = right
    kind = "clean" if doc["condition"] == CLEAN else "perturbed"
    compared = dict.fromkeys(("changed", "harmful", "judged"), judged)
    return {kind: float(right), "collapse": float(option is None), **compared}


def _share(records: Sequence[Doc], *, metric: str) -> float:
    """Return the share of perturbed replies of which something holds that compares them with the item's clean one."""
    clean = {one["id"]: one for one in records if one["condition"] == CLEAN}
    pairs = [(clean[one["id"]], one) for one in records if one["condition"] != CLEAN and one["id"] in clean]
    rules = {
        "changed": lambda before, after: before["option"] != after["option"],
        "harmful": lambda before, after: before["correct"] and not after["correct"],
    }
    return sum(rules[metric](*pair) for pair in pairs) / len(pairs) if pairs else float("nan")


changed, harmful = (partial(_share, metric=name) for name in ("changed", "harmful"))


def _asked(doc: Doc) -> Perturbed:
    return perturbed(doc["source"], doc["images"] or None)
