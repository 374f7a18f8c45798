"""The ratios of docs/performance.md: every job beside the plain way and the best peer, in one run.

    python -m benchmarks.speed --out runs/bench [--model NAME ...] [--job NAME ...] [--workers N] [--page FILE]
                               [--gpu RUN] [--tiny]

The models are the bundled ones, and ``random``, one of about 300 M parameters in Qwen2.5-VL's shape. On a CPU one
thread computes and processor seconds count, so that other work on the machine does not; ``--workers 2`` measures two
models at a time, each in a process of its own. Lines are written as they are known; ``--page`` writes the page from
them at the end, with those of a run of ``benchmarks.gpu`` if ``--gpu`` names one. ``--tiny`` asks short prompts, few
rows and few rounds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import transformers
from benchmarks.speed.lines import Line, Lines
from benchmarks.speed.measuring import ALL, MODELS, TINY, measure_all
from benchmarks.speed.page import WHOLE, page, read

COMMAND = "python -m benchmarks.speed --out runs/bench --workers 2 --page docs/performance.md --gpu benchmarks/gpu/h200"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write lines and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--job", action="append", choices=ALL)
    parser.add_argument("--workers", type=int, default=1, help="models measured at a time, each by one thread")
    parser.add_argument("--page", type=Path, help="the page to write")
    parser.add_argument("--gpu", type=Path, help="folder of a run of benchmarks.gpu, whose lines the page has too")
    parser.add_argument("--tiny", action="store_true", help="to try it: short prompts, few rows and rounds")
    options = parser.parse_args(arguments)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "a CPU, one thread"
    lines = Lines(
        options.out,
        device=device,
        torch=torch.__version__,
        transformers=transformers.__version__,
        workers=options.workers,
    )
    started, sizes = time.perf_counter(), TINY if options.tiny else {}
    measure_all(options.model or list(MODELS), options.job or list(ALL), lines, sizes, options.workers)
    lines.write(Line(WHOLE, more={"minutes": round((time.perf_counter() - started) / 60)}), model="")
    if options.page:
        gpu = read(options.gpu / "lines.jsonl") if options.gpu else []
        options.page.write_text(page(read(lines.path), COMMAND, gpu, MODELS))


if __name__ == "__main__":
    main()
