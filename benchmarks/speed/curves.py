"""How time and memory grow with items, tokens, rows and layers: each doubled three times, in one run.

    python -m benchmarks.speed.curves [--page docs/scale.md] [--figure docs/images/growth.png] [--tiny]

The model is pocket-qwen; for layers, random ones of its family that are otherwise alike. Items answer in batches of 8.
Times are medians of processor seconds, memory is the peak of tensors beside the weights; both over those of the first
size. The table goes between the page's marks.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from benchmarks.pages import between, table
from benchmarks.speed.jobs import head_rows
from benchmarks.speed.subject import Subject
from benchmarks.speed.tensors import TensorPeak
from benchmarks.speed.timing import in_turns

from trimtab import Model, generate, load, run
from trimtab.report.style import figure_style
from trimtab.testing import tiny_model

TIMES = (1, 2, 4, 8)
BEGIN, END = "<!-- growth begins -->", "<!-- growth ends -->"
Works = Mapping[int, Callable[[], object]]
"""By how many times the first size, the work of that size."""


@dataclass(frozen=True)
class Sizes:
    """The first size of each kind, and how often each is timed."""

    items: int = 8
    tokens: int = 110
    layers: int = 3
    rounds: int = 5


@dataclass(frozen=True)
class Curve:
    """What one kind of growth costs.

    Attributes:
        name: What grows.
        first: Its first size, in words.
        seconds: Over those of the first size, by how many times that.
        bytes: The same.
    """

    name: str
    first: str
    seconds: Mapping[int, float]
    bytes: Mapping[int, float]

    @property
    def power(self) -> float:
        """The power of the size by which time grows, from the first to the last; 1 is in proportion."""
        last = max(self.seconds)
        return math.log(self.seconds[last]) / math.log(last)


def measured(name: str, first: str, works: Works, model: Model, rounds: int) -> Curve:
    """Time works in turns, then count each one's memory."""
    ways = {str(times): work for times, work in works.items()}
    medians = in_turns(ways, model.device, rounds).medians()
    peaks: dict[int, int] = {}
    for times, work in works.items():
        model.forget_media()
        with TensorPeak() as peak:
            work()
        peaks[times] = peak.bytes
    seconds = {times: medians[str(times)] / medians["1"] for times in works}
    return Curve(name, first, seconds, {times: peaks[times] / peaks[1] for times in works})


def curves(sizes: Sizes) -> list[Curve]:
    """Measure each kind of growth."""
    model = load("pocket-qwen", device="cpu")
    many = Subject(model, tokens=sizes.tokens, batch=sizes.items * TIMES[-1], new_tokens=4)
    rows, count = head_rows(many), max(1, len(model.layers) * model.n_heads // TIMES[-1])
    long = {times: Subject(model, tokens=sizes.tokens * times, batch=1) for times in TIMES}
    deep = {times: Subject(tiny_model("qwen2_5_vl", layers=sizes.layers * times), batch=1) for times in TIMES}

    def answers(number: int) -> Callable[[], object]:
        def work() -> None:
            model.forget_media()
            generate(model, many.prompts[:number], max_new_tokens=4, batch_size=8)

        return work

    return [
        measured("items", f"{sizes.items} items", {k: answers(sizes.items * k) for k in TIMES}, model, sizes.rounds),
        measured(
            "tokens",
            f"{sizes.tokens} tokens",
            {k: lambda own=own: run(model, own.prompts) for k, own in long.items()},
            model,
            sizes.rounds,
        ),
        measured(
            "rows of a sweep",
            f"{count} heads",
            {k: lambda k=k: run(model, rows[: count * k]) for k in TIMES},
            model,
            sizes.rounds,
        ),
        measured(
            "layers",
            f"{sizes.layers} layers",
            {k: lambda own=own: run(own.model, own.prompts) for k, own in deep.items()},
            deep[1].model,
            sizes.rounds,
        ),
    ]


def section(found: list[Curve]) -> str:
    """Return the table."""
    columns = ["what grows", "from", *(f"time, {k} times" for k in TIMES[1:]), "power", "memory, 8 times"]
    rows = [
        [one.name, one.first, *(f"{one.seconds[k]:.2f}" for k in TIMES[1:]), f"{one.power:.2f}", f"{one.bytes[8]:.2f}"]
        for one in found
    ]
    return table(columns, rows)


def draw(found: list[Curve], path: Path) -> None:
    """Draw time and memory over size, on logarithmic axes."""
    with figure_style() as figure_type:
        figure = figure_type(figsize=(7.2, 3.2), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for panel, title, kind in zip(panels, ("time", "memory"), ("seconds", "bytes"), strict=True):
            panel.plot(TIMES, TIMES, linestyle="--", color="#BBBBBB", label="in proportion")
            for one in found:
                panel.plot(TIMES, [getattr(one, kind)[k] for k in TIMES], marker="o", markersize=4, label=one.name)
            panel.set(title=title, xlabel="times the first size", xscale="log", yscale="log")
            panel.set_xticks(TIMES, [str(k) for k in TIMES], minor=False)
            panel.set_yticks(TIMES, [str(k) for k in TIMES], minor=False)
            panel.minorticks_off()
        panels[0].set_ylabel("times that of the first size")
        panels[0].legend()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--tiny", action="store_true", help="to try it: few items, short prompts, one round")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = curves(replace(Sizes(), items=1, tokens=64, layers=1, rounds=1) if options.tiny else Sizes())
    print(section(found))
    if options.figure:
        draw(found, options.figure)
    if options.page:
        options.page.write_text(between(options.page.read_text("utf-8"), BEGIN, END, section(found)), "utf-8")


if __name__ == "__main__":
    main()
