"""What `trimtab check` expects a job to take, over what it takes, at the widths of released models.

    python -m benchmarks.checkpoints.estimates [--setting NAME ...] [--job NAME ...]

Writes folders as released ones are, in the widths and numbers of layers named below, and does every job of a check once
on one prompt, on the CPU. The peak is that of its tensors, counted byte by byte.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.checkpoints.width7 import made_up
from benchmarks.speed.tensors import TensorPeak

import trimtab as tt
from trimtab.checking import JOBS, Trial
from trimtab.checking.prompts import prompt_sizes
from trimtab.testing import realistic_checkpoint


class Setting(NamedTuple):
    """A checkpoint and a prompt."""

    release: str
    sizes: Mapping[str, int]
    side: int
    sentences: int


SETTINGS = {
    "qwen-7b": Setting("qwen2.5-vl-7b", {"layers": 2}, 980, 1),
    "llava-7b": Setting("llava-1.5-7b", {"layers": 2}, 336, 1),
    "qwen-3b": Setting("qwen2.5-vl-3b", {"layers": 4}, 560, 4),
    "llava-narrow": Setting(
        "llava-1.5-7b", {"layers": 4, "hidden": 2048, "intermediate": 5504, "heads": 16, "kv_heads": 16}, 336, 40
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", action="append", choices=SETTINGS)
    parser.add_argument("--job", action="append", choices=[job.name for job in JOBS])
    chosen = parser.parse_args()
    for name in chosen.setting or SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, SETTINGS[name], Path(folder), chosen.job)


def measure(name: str, setting: Setting, folder: Path, jobs: list[str] | None) -> None:
    """Do the jobs in one setting."""
    realistic_checkpoint(folder / "model", setting.release, sizes=setting.sizes)
    model = tt.load(folder / "model", check=False)
    items = made_up(8, setting.side, setting.sentences)
    trial = Trial(model, prompt_sizes(model, items))
    tt.run(model, tt.Prompt("What is it?"))  # code that is loaded once
    print(f"{name}: {model.n_layers} layers of {model.hidden_size:,}, {trial.tokens:,} tokens", flush=True)
    for job in JOBS:
        if jobs and job.name not in jobs:
            continue
        expected = job.memory(trial)
        model.forget_media()
        with TensorPeak() as peak:
            job.run(trial)
        print(
            f"{job.name:16} {expected / 1e6:7,.0f} MB / {peak.bytes / 1e6:7,.0f} MB = {expected / peak.bytes:.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
