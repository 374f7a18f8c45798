"""Run folders made up for the browser of runs, and what reads its pages."""

import json
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from pandas import DataFrame

from trimtab.studies import SCHEMA_VERSION
from trimtab.viewing import Pages, Site
from trimtab.viewing.evidence import EvidenceOf
from trimtab.viewing.folders import RunFolders

TASKS = ("color", "counting", "object_recognition")


def answers(followed: Mapping[str, int], items: int = 60, seeds: int = 1, strength: float = 1.0) -> DataFrame:
    """Answers of a steering study toward the image: each method follows it on its first so many items."""
    return DataFrame(
        {
            "id": f"i{i}",
            "task": TASKS[i % 3],
            "model": "pocket-qwen",
            "method": method,
            "target": "image",
            "protocol": "open",
            "strength": tried,
            "chosen": tried == strength,
            "prediction": f"answer {i} of {method}",
            "label": "image" if i < count and tried == strength else "other" if i == items - 1 else "text",
            "collapsed": i == items - 1,
            "reason": "mentions the image answer",
            "seed": seed,
            "ratio": i / items if seed == 0 else None,
        }
        for method, count in followed.items()
        for tried in (strength, 4.0)
        for seed in range(seeds)
        for i in range(items)
    )


def write_run(
    path: Path,
    table: DataFrame | None = None,
    *,
    kind: str = "steering",
    data: str = "own.jsonl",
    finished: bool = True,
) -> Path:
    """Write a run folder; its summary says little."""
    path.mkdir(parents=True)
    plan = {"models": ["pocket-qwen"], "data": data}
    (path / "config.yaml").write_text(yaml.safe_dump({"kind": kind, "plan": plan}, sort_keys=False))
    if finished:
        summary = {"schema_version": SCHEMA_VERSION, "kind": kind, "rows": [], "paired": []}
        (path / "summary.json").write_text(json.dumps(summary))
    if table is not None:
        table.to_parquet(path / "items.parquet", index=False)
    return path


def site_of(folder: Path, items: Any = ()) -> Site:
    return Site(Pages(RunFolders(folder), EvidenceOf(items)))


def address(path: str, **fields: object) -> str:
    return f"{path}?{urlencode(fields)}"


class Page(HTMLParser):
    """Collects a page's text, its elements, and everything that it links to or loads."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html.decode())
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def goes_to(self) -> list[str]:
        names = ("href", "src", "action", "srcset", "data", "formaction", "poster")
        return [value or "" for _, attributes in self.elements for name, value in attributes.items() if name in names]


def shown(site: Site, path: str, **fields: object) -> Page:
    """Get a page that must be there."""
    answer = site.answer(address(path, **fields))
    page = Page(answer.body)
    assert answer.status == 200, page.text
    return page


def refused(site: Site, path: str, **fields: object) -> str:
    """Get the sentence of a page that must not be there."""
    answer = site.answer(address(path, **fields))
    assert answer.status in (400, 404, 422)
    return Page(answer.body).text


def counted(table: DataFrame, holds: Callable[[Any], bool]) -> int:
    return sum(bool(holds(row)) for row in table.itertuples())
