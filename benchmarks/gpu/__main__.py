"""Ratios, memory and tokens per second of 3B and 7B shapes of two families, with random weights, on a GPU.

    python -m benchmarks.gpu --out FOLDER [--deadline SECONDS] [--shape NAME ...] [--beside TEXT] [--tiny]

Every ratio is a line of ``FOLDER/lines.jsonl``, written the moment it is known. What fails is a line with its error,
and what there is no time for is left out: each shape has an equal share of the seconds that are left when it begins.
``--tiny`` goes the same way on a CPU with models of a few hundred thousand parameters.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from benchmarks.gpu.busy import busy
from benchmarks.gpu.memory import memory
from benchmarks.gpu.shapes import SHAPES, TINY, Shape, build
from benchmarks.speed.jobs import JOBS, Job
from benchmarks.speed.lines import Line, Lines
from benchmarks.speed.subject import Subject

from trimtab.checking import reason_of
from trimtab.engine.local.whitebox import release

ALL: dict[str, Job] = {**JOBS, "memory": memory, "busy": busy}
ORDER = ("memory", "heads", "windows", "contribution", "answers", "strengths", "states", "growth", "busy")
"""What is measured of each shape, most important first."""


def measure(
    shapes: Mapping[str, Shape], lines: Lines, device: torch.device, ends: float, sizes: dict[str, Any]
) -> None:
    """Build and measure one shape after the other until the clock says ``ends``."""
    for number, (name, shape) in enumerate(shapes.items()):
        now = time.perf_counter()
        share = now + (ends - now) / (len(shapes) - number)
        try:
            subject = Subject(build(name, shape, device, torch.bfloat16), **sizes)
            where = {"model": name, "parameters": sum(p.numel() for p in subject.model.hf.parameters())}
            built = time.perf_counter() - now
            lines.write(Line("build", more={"seconds": built}), **where)
        except Exception as error:  # noqa: BLE001 - the other shapes are still worth measuring
            lines.write(Line("build", error=reason_of(error)), model=name)
            continue
        for job in ORDER:
            if time.perf_counter() < share:
                _do(job, subject, lines, where)
            else:
                lines.write(Line(job, error="left out: there was no time"), **where)
        del subject
        release()


def _do(job: str, subject: Subject, lines: Lines, where: dict[str, Any]) -> None:
    started = time.perf_counter()
    try:
        for line in ALL[job](subject):
            lines.write(line, **where, at=time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - what fails is a finding
        lines.write(Line(job, error=reason_of(error)), **where)


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write lines."""
    started = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--deadline", type=float, default=150.0, help="seconds, counted from the start")
    parser.add_argument("--shape", action="append", choices=SHAPES)
    parser.add_argument("--beside", help="what else runs on the machine; the page of performance tells it")
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() and not options.tiny else "cpu")
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    made = {"device": card, "torch": torch.__version__, "transformers": transformers.__version__}
    lines = Lines(options.out, **made, beside=options.beside)
    known = TINY if options.tiny else SHAPES
    chosen = {name: shape for name, shape in known.items() if not options.shape or name in options.shape}
    sizes = (
        {"tokens": 160, "batch": 2, "new_tokens": 4, "rounds": 1, "loop_rows": 4}
        if options.tiny
        else {"side": 336, "loop_rows": 8, "rounds": 2}
    )
    measure(chosen, lines, device, started + options.deadline, sizes)
    print(f"{lines.path}: {time.perf_counter() - started:.0f} s on {card}")


if __name__ == "__main__":
    main()
