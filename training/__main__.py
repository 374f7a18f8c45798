"""`python -m training pocket-qwen --runs DIR`: all stages, then the checkpoint folder and its card."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from training.save import save
from trimtab.pocket import CHECKPOINTS, checkpoint


def main() -> None:
    """Run what is not yet done of one model's training."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("name", choices=CHECKPOINTS)
    parser.add_argument("--runs", type=Path, required=True, help="where logs and states go; a killed run resumes")
    args = parser.parse_args()
    for stage in ("vision", "language"):
        # A process each: the stages change attention and compile for themselves.
        subprocess.run([sys.executable, "-m", f"training.{stage}", args.name, "--runs", args.runs], check=True)
    save(args.name, args.runs / args.name / "finish" / "state.pt", checkpoint(args.name))
    subprocess.run([sys.executable, "-m", "training.card", args.name], check=True)


if __name__ == "__main__":
    main()
