"""Validate the measures of contribution and write the page about them.

    python -m benchmarks.contribution.validity [--items 64] [--models pocket-qwen pocket-llava] [--out docs]

Measures planted and tiny models, then the trained ones, and writes ``contribution_validity.json``, the figures and
``contribution_validity.md``. A run that was stopped goes on where it was: what the file holds for the same items and
the same weights is not measured again, unless ``--fresh`` is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from benchmarks.contribution import behaviour, figures, laws, page
from benchmarks.contribution.variants import ALL

from trimtab import __version__, load, read_items
from trimtab.files import write_whole
from trimtab.studies import choose_items

NUMBERS, PAGE, IMAGES = "contribution_validity.json", "contribution_validity.md", "images/contribution"
UNDER_INSTRUCTIONS = ("default", "kl limit", "paper", "ce", "ce limit", "kl context")


class Numbers:
    """The numbers measured so far, kept in a file."""

    def __init__(self, path: Path, settings: dict[str, Any], fresh: bool) -> None:
        self.path = path
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not fresh else {}
        same = kept.get("settings") == settings
        self.found: dict[str, Any] = kept if same else {"settings": settings, "models": {}}

    def model(self, name: str, fingerprint: str) -> dict[str, Any]:
        """Return what is known of a model with these weights."""
        part = self.found["models"].setdefault(name, {})
        if part.get("fingerprint") != fingerprint:
            part.clear()
            part["fingerprint"] = fingerprint
        return part

    def add(self, part: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
        """Do some work unless its result is there, say how long it took, and keep the result."""
        if name not in part:
            started = time.perf_counter()
            part[name] = json.loads(json.dumps(work()))  # what a later run reads is what this one uses
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
            write_whole(self.path, json.dumps(self.found, indent=1) + "\n")
        return part[name]


def measure_laws(numbers: Numbers) -> None:
    """Measure what needs no trained model."""
    for name, work in (
        ("planted", laws.planted),
        ("token_counts", laws.token_counts),
        ("sigma", laws.sigma_laws),
        ("convergence", laws.convergence),
    ):
        numbers.add(numbers.found, name, work)


def measure_model(numbers: Numbers, name: str, count: int, seed: int) -> None:
    """Measure a trained model."""
    items, train, validation = (
        choose_items(read_items(f"pocket-mc2:{split}"), n, seed)
        for split, n in (("test", count), ("train", 160), ("validation", 80))
    )
    model, some = load(name), items[: max(3, len(items) // 3)]
    part = numbers.model(name, model.fingerprint)
    part.setdefault("device", _device_name(model.device))
    labels = numbers.add(part, "answers", lambda: behaviour.answers(model, items, train, validation))
    ratios = {
        name: numbers.add(part, f"ratios/{name}", lambda method=method: behaviour.ratios(model, items, method))
        for name, method in ALL.items()
    }
    numbers.add(part, "foretold", lambda: behaviour.foretold(ratios, behaviour.outcomes(labels)))
    numbers.add(part, "by_task", lambda: behaviour.by_task(model, items, ALL["default"]))
    for m in UNDER_INSTRUCTIONS:
        numbers.add(part, f"instructions/{m}", lambda m=m: behaviour.under_instructions(model, items, ALL[m]))
    numbers.add(part, "agreement", lambda: behaviour.agreements(model, some))
    numbers.add(part, "variance", lambda: behaviour.variance(model, some))
    numbers.add(part, "precision", lambda: behaviour.precision(name, some))


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} processor cores"


def main() -> None:
    """Measure, then write numbers, figures and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["pocket-qwen", "pocket-llava"])
    parser.add_argument("--items", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    options = parser.parse_args()
    settings = {"items": options.items, "seed": options.seed, "version": __version__}
    numbers = Numbers(options.out / NUMBERS, settings, options.fresh)
    measure_laws(numbers)
    for name in options.models:
        measure_model(numbers, name, options.items, options.seed)
    if numbers.found["models"]:
        images = figures.save_all(numbers.found, options.out / IMAGES)
        write_whole(options.out / PAGE, page.write(numbers.found, images, IMAGES))
        print(f"Page: {options.out / PAGE}")


if __name__ == "__main__":
    main()
