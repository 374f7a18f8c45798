"""Hold the default measure against test items and write the page about it.

    python -m benchmarks.contribution.held_out [--models pocket-qwen pocket-llava] [--out docs]

Whose answer it is, agreement with exact Shapley values, items without a conflict, and cost. Writes
``contribution_held_out.json`` and ``contribution_held_out.md``; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from benchmarks.contribution.validity import Numbers
from benchmarks.pages import table

from trimtab import Item, Model, __version__, load, read_items
from trimtab.contribution import MCS, Method, Shapley, coalitions, measure, shapley
from trimtab.contribution.ranks import auroc, spearman
from trimtab.engine import encode, generate
from trimtab.files import write_whole
from trimtab.items import judge
from trimtab.items.prompts import prompt_for
from trimtab.items.readers.pocket import item_from_pocket
from trimtab.pocket import CHECKPOINTS
from trimtab.pocket import items as pocket_items
from trimtab.studies import choose_items

NUMBERS, PAGE = "contribution_held_out.json", "contribution_held_out.md"
ITEMS, OTHERS = 96, 24
"""Conflict items, and items of each kind without a conflict."""


def told(model: Model, split: str = "test") -> dict[str, Any]:
    """Measure conflict items by the default and by AMPS's score."""
    items = choose_items(read_items(f"pocket-mc2:{split}"), ITEMS, 0)
    labels = [judge(text, item).label for text, item in zip(_texts(model, items), items, strict=True)]
    first = {c.item_id: c.ratio for c in measure(model, items, method=Shapley(steps=1))}
    prefill = sum(len(encode(model, prompt_for(item))) for item in items)
    found: dict[str, Any] = {"items": len(items), "methods": []}
    for name, method in {"default": Shapley(), "kl limit": MCS()}.items():
        with _counted() as positions:
            ratios, seconds = _timed(model, items, method)
        pairs = [(ratios[i.id], label == "image") for i, label in zip(items, labels, strict=True) if label != "other"]
        pairs = [(ratio, image) for ratio, image in pairs if np.isfinite(ratio)]
        area = auroc([ratio for ratio, _ in pairs], [image for _, image in pairs])
        both = [i for i in first if np.isfinite(first[i]) and np.isfinite(ratios.get(i, np.nan))]
        found["methods"].append(
            {
                "method": name,
                "n": area.n,
                "from_image": area.positives,
                "auroc": area.value,
                "low": area.low,
                "high": area.high,
                "rho": spearman([ratios[i] for i in both], [first[i] for i in both]),
                "prefills": sum(positions) / prefill if positions else None,
                "seconds": seconds / len(items),
            }
        )
    return found


def _timed(model: Model, items: Sequence[Item], method: Method) -> tuple[dict[str, float], float]:
    """Return ratios by item, and processor seconds."""
    started = time.process_time()
    ratios = {c.item_id: c.ratio for c in measure(model, items, method=method)}
    return ratios, time.process_time() - started


def kinds(model: Model, split: str = "test") -> list[dict[str, Any]]:
    """Measure items without a conflict that the model answers rightly: medians and middle four fifths."""
    records = pocket_items(split, kind="conflict")[:: len(pocket_items(split, kind="conflict")) // OTHERS][:OTHERS]
    pairs = [(item_from_pocket(record), record) for record in records]
    joint = [item_from_pocket(record) for record in pocket_items(split, kind="both")]
    by_kind: dict[str, list[Item]] = {
        "the text is irrelevant": [
            i.replace(context=r.irrelevant_context, answer_text="nothing at all") for i, r in pairs
        ],
        "image and text agree": [i.replace(context=r.agreeing_context, answer_text="nothing at all") for i, r in pairs],
        "both are needed": choose_items(joint, 2 * OTHERS, 0),
    }
    rows = []
    for kind, items in by_kind.items():
        answers = zip(items, _texts(model, items), strict=True)
        right = [item for item, text in answers if text.strip(" .").lower() == item.answer_of("image").lower()]
        found = [c for c in measure(model, right) if np.isfinite(c.ratio)]
        row: dict[str, Any] = {"kind": kind, "n": len(found)}
        for name, own in (("ratio", [c.ratio for c in found]), ("synergy", [c.synergy or 0.0 for c in found])):
            low, high = np.percentile(own, [10, 90])
            row |= {name: median(own), f"{name}_low": float(low), f"{name}_high": float(high)}
        rows.append(row)
    return rows


def _texts(model: Model, items: Sequence[Item]) -> list[str]:
    return generate(model, [prompt_for(item) for item in items], max_new_tokens=8).texts


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Collect the token positions that Shapley values compute inside the block."""
    positions: list[int] = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            done = function(*args, **options)
            positions.append(done.cost.tokens)
            return done

        return call

    with (
        patch.object(coalitions, "run", counted(coalitions.run)),
        patch.object(shapley, "generate", counted(shapley.generate)),
    ):
        yield positions


HEAD = """# The default measure on held-out items

One command writes this page, `python -m benchmarks.contribution.held_out --models pocket-llava pocket-qwen smol-llava`.
Shapley values were chosen as the default of `measure` on validation items of the pocket models
([what they are](contribution.md)), and then looked at once on {items} test items of
pocket-mc2. An [earlier comparison](contribution_validity.md) had shown Shapley values of the first token on 64 test
items. *kl limit* is `MCS()`, the exact limit of AMPS's score. *Exact Shapley* is that of the first token's probability.
*Prefills* are token positions computed over those of the plain prompts; AMPS's score takes one and a backward pass
instead, so its time says more.
"""


def write(found: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    parts = [HEAD.format(items=found["settings"]["items"])]
    for name, part in found["models"].items():
        methods, first = part["held_out"]["methods"], part["held_out"]["methods"][0]
        rows = [
            [
                r["method"],
                f"{r['auroc']:.3f} ({r['low']:.3f} to {r['high']:.3f})",
                f"{r['rho']:.2f}",
                "" if r["prefills"] is None else f"{r['prefills']:.2f}",
                f"{1000 * r['seconds']:.0f}",
            ]
            for r in methods
        ]
        kinds = [[r["kind"], r["n"], _middle(r, "ratio"), _middle(r, "synergy")] for r in part["kinds"]]
        columns = [
            "method",
            "AUC for the answered modality",
            "rank correlation with exact Shapley",
            "prefills",
            "CPU ms",
        ]
        parts.append(
            f"## {name}\n\n{first['n']} items are answered from either modality, {first['from_image']} from the "
            "image.\n\n"
            f"{table(columns, rows)}\nItems without a conflict that are answered rightly; median, and the middle four "
            f"fifths:\n\n{table(['items', 'n', 'visual ratio', 'synergy'], kinds)}"
        )
    return "\n".join(parts)


def _middle(row: dict[str, Any], what: str) -> str:
    return f"{row[what]:+.2f} ({row[f'{what}_low']:+.2f} to {row[f'{what}_high']:+.2f})"


def main() -> None:
    """Measure, then write numbers and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=CHECKPOINTS)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    options = parser.parse_args()
    settings = {"items": ITEMS, "others": OTHERS, "version": __version__}
    numbers = Numbers(options.out / NUMBERS, settings, options.fresh)
    for name in options.models:
        model = load(name)
        part = numbers.model(name, model.fingerprint)
        numbers.add(part, "held_out", lambda model=model: told(model))
        numbers.add(part, "kinds", lambda model=model: kinds(model))
    write_whole(options.out / PAGE, write(numbers.found))
    print(f"Page: {options.out / PAGE}")


if __name__ == "__main__":
    main()
