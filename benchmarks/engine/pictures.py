"""How much memory many pictures take, at the width of Qwen2.5-VL-7B.

    python benchmarks/engine/pictures.py [--pictures 2000] [--answered 100] [--batch-size N] [--whole-tower]

Writes a checkpoint with random weights and so many pictures of 640 x 480, as COCO has them, and goes through what a run
does: prompts are made, all of them are planned, all of them are admitted, which encodes every picture, and some are
answered. After each step the peak of the process's memory is printed, beyond what it had with the weights loaded and
one prompt answered.

What grows with the number of pictures has the sizes of the 7B model: 1,564 patches of 1,176 numbers in float32, and 391
positions of 3,584 numbers in bfloat16, for each picture. What only takes time is small: one narrow block in the vision
tower, one block with narrow MLPs in the decoder. ``--whole-tower`` gives both blocks their released width, which takes
some ten times as long and adds what one call of them needs, whatever the number of pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

import trimtab as tt
from trimtab.engine import admit, batches_of, encode
from trimtab.testing.realistic import realistic_checkpoint

SIZE = (640, 480)
SHALLOW = {"layers": 1, "vision_layers": 1}
CHEAP = {**SHALLOW, "vision_hidden": 32, "vision_heads": 2, "vision_intermediate": 64, "intermediate": 256}


class Peak:
    """Watches the process's memory from a thread of its own."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.start = self.most = self.process.memory_info().rss
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.most = max(self.most, self.process.memory_info().rss)
            time.sleep(0.01)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something, and print the peak beyond the start and what is left of it afterwards."""
        self.most, began = self.process.memory_info().rss, time.perf_counter()
        done = work()
        seconds, now = time.perf_counter() - began, self.process.memory_info().rss
        peak, left = ((x - self.start) / 1e9 for x in (self.most, now))
        print(f"{name:32}: peak {peak:5.2f} GB beyond the start, {left:5.2f} GB after; {seconds:6.0f} s", flush=True)
        return done


def write_pictures(folder: Path, number: int) -> list[Path]:
    """Write pictures that compress about as well as photos."""
    chance, paths = np.random.default_rng(0), []
    for place in range(number):
        coarse = Image.fromarray(chance.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        paths.append(folder / f"{place}.jpg")
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--answered", type=int, default=100)
    parser.add_argument("--batch-size", type=int, help="rows of a batch; as many as fit if left out")
    parser.add_argument("--whole-tower", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = SHALLOW if options.whole_tower else CHEAP
        measure(Path(folder), options.pictures, options.answered, options.batch_size, sizes)


def measure(folder: Path, number: int, answered: int, batch_size: int | None, sizes: dict[str, int]) -> None:
    """Go through the steps of a run."""
    paths = write_pictures(folder, number)
    realistic_checkpoint(folder / "model", "qwen2.5-vl-7b", sizes=sizes)
    model = tt.load(folder / "model", check=False)
    with batches_of(model, batch_size):
        go_through(model, paths, answered)


def go_through(model: tt.Model, paths: list[Path], answered: int) -> None:
    """Print the memory of each step."""
    tt.run(model, tt.Prompt("What is it?", paths[0], "A dog."))
    model.forget_media()
    weights = sum(p.numel() * p.element_size() for p in model.hf.parameters())
    shown = encode(model, tt.Prompt("What is it?", paths[0])).media[0]
    pixels = sum(t.numel() * t.element_size() for t in shown.tensors.values())
    embedding = shown.n_tokens * model.hidden_size * model.dtype.itemsize
    print(f"{len(paths)} pictures of {SIZE[0]} x {SIZE[1]}, weights {weights / 1e9:.2f} GB")
    print(f"each: {pixels / 1e6:.2f} MB of pixels, {shown.n_tokens} positions, {embedding / 1e6:.2f} MB embedded")
    model.forget_media()
    peak = Peak()
    prompts = peak.step(f"{len(paths)} prompts", lambda: [tt.Prompt("What is it?", p, "A dog.") for p in paths])
    planned = peak.step(f"{len(paths)} prompts planned", lambda: [encode(model, p) for p in prompts])
    refused = peak.step(f"{len(paths)} prompts admitted", lambda: admit(model, planned))
    print(f"refused: {len(refused)}; pictures remembered: {model.remembered_bytes / 1e9:.2f} GB")
    rows = planned[:answered]
    peak.step(f"{len(rows)} prompts answered", lambda: tt.generate(model, rows, max_new_tokens=2))
    peak.step(f"{len(rows)} prompts, logits kept", lambda: tt.run(model, rows))


if __name__ == "__main__":
    main()
