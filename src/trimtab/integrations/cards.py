"""Cards of data sets and of runs on the Hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from trimtab.items import Item
from trimtab.modalities import in_order
from trimtab.studies import ALL_TASKS

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

POCKET_NOTICE = (
    "The pictures are composed of OpenMoji (https://openmoji.org), the open-source emoji and icon project, licensed "
    "under CC BY-SA 4.0; they were scaled, turned, tinted and put together, and are under the same licence."
)
"""Whom to name for the bundled benchmark's pictures."""


def data_card(title: str, licence: str, notice: str, splits: Mapping[str, Sequence[Item]]) -> str:
    """Return the card of items on the Hub.

    Args:
        title: What they are called.
        licence: As the Hub names it.
        notice: Whom to name.
        splits: Items by split.
    """
    every = [item for own in splits.values() for item in own]
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    head = {
        "license": licence,
        "task_categories": ["visual-question-answering"],
        "tags": ["trimtab", "multimodal", "modality-conflict"],
        "size_categories": [next((name for most, name in SIZES if len(every) < most), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    tasks = "\n".join(f"| {task} | {count} |" for task, count in sorted(Counter(one.task for one in every).items()))
    counts = ", ".join(f"{len(own)} {name}" for name, own in splits.items())
    kinds = ", ".join(in_order(name for item in every for name in item.modalities))
    return (
        f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---
# {title}

{len(every)} items ({counts}) with evidence by {kinds}: what each shows of a question, and the answer that it supports.
Items without `relevant` are conflicts; those with it have one right answer.

| task | items |
|---|---|
{tasks}

`trimtab data check` reads a Parquet file of this set as it is, and so does every other verb of trimtab;
`datasets.load_dataset` gives pictures as pictures.

{notice}
""".rstrip()
        + "\n"
    )


def run_card(summary: Mapping[str, Any], name: str) -> str:
    """Return the card of a run's report on the Hub, with its rates where it has some."""
    kind = summary["kind"]
    head = {"tags": ["trimtab", "multimodal", f"{kind}-study"], "viewer": False}
    rows = [one for one in summary.get("rows", []) if one.get("chosen") and one.get("task") == ALL_TASKS]
    table = ["| model | target | method | protocol | items | following | collapse |", "|---|---|---|---|---|---|---|"]
    table += [
        f"| {one['model']} | {one['target']} | `{one['method']}` | {one['protocol']} | {one['n']} | "
        f"{one['following']:.1%} | {one['collapse']:.1%} |"
        for one in rows
    ]
    said = "\n".join(table) if rows else "`report.html` has the tables."
    return f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---
# {name}

The report of a study of kind `{kind}` by trimtab: `report.html` is one page that needs nothing else, `summary.json` its
numbers, `config.yaml` the plan that makes them again, `provenance.json` the versions that made them.

{said}
"""
