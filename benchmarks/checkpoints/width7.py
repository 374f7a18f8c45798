"""Every verb on checkpoints as wide as 7B ones, from the command line: time and peak memory, as a table.

    python benchmarks/checkpoints/width7.py [--release NAME] [--verb NAME ...] [--folder FOLDER]

Writes a Qwen2.5-VL-7B, a LLaVA-1.5-7B and a Qwen3-VL-8B folder of released width and vocabulary (9 GB of disk in all)
with 2 decoder layers, 4 for Qwen3-VL, and runs each verb on it in a process of its own, one after another. What a whole
model takes is more: 28 layers or more. What is the same is everything that breaks, or grows, with the width.

Items are as few, pictures as small and answers as short as the verbs take them. With ``--folder`` the checkpoints are
kept, and found again. Peak memory is the process's resident memory, in which pages of the weights' files count too
while they are read; with ``--device cuda`` the last column is what torch reserved of the GPU's.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from trimtab.items import Item, Items, MediaBytes, write_items
from trimtab.testing import picture, realistic_checkpoint

RELEASES = ("qwen2.5-vl-7b", "llava-1.5-7b", "qwen3-vl-8b")
ANSWERS = ("red", "blue", "green", "black", "white", "pink", "brown", "grey")
MORE = " Nobody else is in the room, and it is late."
SHORT = ("--max-new-tokens", "2")
LONGEST = 3600
"""Seconds after which a verb is stopped."""
PROGRAM = """
import atexit, pathlib, sys, torch
from trimtab.cli import main
gpu = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: gpu.write_text(str(torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0)))
main()
"""
"""What a verb's process runs: the command line, which leaves behind how many bytes of the GPU it took."""


class Run(NamedTuple):
    """How a verb went."""

    release: str
    verb: str
    code: int
    seconds: float
    peak: int
    gpu: int
    last: str


def main() -> None:
    """Build the folders, run the verbs, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--side", type=int, default=56, help="pixels a side of each picture")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--release", action="append", choices=RELEASES)
    parser.add_argument("--verb", action="append")
    parser.add_argument("--folder", type=Path, help="where checkpoints are written, and found again")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="trimtab-width7-"))
    data = write_items(made_up(chosen.items, chosen.side), work / "items.jsonl")
    runs: list[Run] = []
    try:
        for release in chosen.release or RELEASES:
            folder = (chosen.folder or work) / release
            if not folder.is_dir():
                started = time.perf_counter()
                realistic_checkpoint(folder, release)
                print(f"{release}: written in {time.perf_counter() - started:.0f} s", flush=True)
            for verb, arguments in verbs(folder, data, work / f"out-{release}").items():
                if chosen.verb and verb not in chosen.verb:
                    continue
                runs.append(one(release, verb, [*arguments, "--device", chosen.device], work))
                print(line(runs[-1]), flush=True)
    finally:
        shutil.rmtree(work)
    print("\n| checkpoint | verb | exit | seconds | peak GB | GPU GB |\n|---|---|---|---|---|---|")
    for run in runs:
        memory = f"{run.peak / 1e9:.1f} | {run.gpu / 1e9:.1f}"
        print(f"| {run.release} | {run.verb} | {run.code} | {run.seconds:.0f} | {memory} |")
    sys.exit(any(run.code for run in runs))


def verbs(folder: Path, data: Path, out: Path) -> dict[str, list[str]]:
    """Return the command lines."""
    model, items, artifact = str(folder), str(data), str(out / "mean")
    return {
        "check": ["check", model, items],
        "measure": ["measure", model, items, "--limit", "2"],
        "fit": ["fit", "mean", model, items, "--target", "image", "--layer", "1", "--limit", "4", "--out", artifact],
        "evaluate": ["evaluate", model, items, "--artifact", artifact, "--limit", "2", *SHORT],
        "circuits": [
            *("circuits", model, items, "--limit", "8", "--window", "1", "--flow-items", "1", *SHORT),
            *("--out", str(out / "circuits")),
        ],
        "interference": [
            *("interference", model, items, "--relevant", "image", "--condition", "misleading_text", "--limit", "2"),
            *("--no-spectrum", *SHORT, "--out", str(out / "interference")),
        ],
        "harden": [
            *("harden", model, items, "--relevant", "image", "--perturbation", "misleading_text", "--steps", "1"),
            *("--limit", "2", "--batch-size", "1", "--out", str(out / "hardened")),
        ],
    }


def one(release: str, verb: str, arguments: list[str], work: Path) -> Run:
    """Run one verb in a process of its own, watching its memory."""
    out, gpu = work / "said", work / "gpu"
    gpu.write_text("0")
    command = [sys.executable, "-c", PROGRAM, str(gpu), *arguments]
    started = time.perf_counter()
    with out.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        peak = [0]
        watch = threading.Thread(target=_watch, args=(process, peak))
        watch.start()
        try:
            code = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        watch.join()
    last = [said for said in out.read_text().splitlines() if said.strip()]
    taken = int(gpu.read_text())
    return Run(release, verb, code, time.perf_counter() - started, peak[0], taken, last[-1] if last else "")


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    while process.poll() is None:
        try:
            peak[0] = max(peak[0], psutil.Process(process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return
        time.sleep(0.05)


def line(run: Run) -> str:
    """Return a run in one line."""
    memory = f"{run.peak / 1e9:7.1f} GB{run.gpu / 1e9:7.1f} GB of the GPU"
    return f"{run.release:15}{run.verb:14}exit {run.code}{run.seconds:8.0f} s{memory}  {run.last:.80}"


def made_up(n: int, side: int, sentences: int = 1) -> Items:
    """Return conflict items about pictures of noise; further sentences make prompts longer."""
    found = Items()
    for i in range(n):
        buffer = io.BytesIO()
        picture(i, (side, side)).save(buffer, format="PNG")
        found.append(
            Item(
                id=f"made-up-{i}",
                task="color",
                question="What color is the cat?",
                context=f"A {ANSWERS[i % 8]} cat sleeps beside the window." + MORE * (sentences - 1),
                answer_image=ANSWERS[(i + 1) % 8],
                answer_text=ANSWERS[i % 8],
                image=MediaBytes(buffer.getvalue()),
            )
        )
    return found


if __name__ == "__main__":
    main()
