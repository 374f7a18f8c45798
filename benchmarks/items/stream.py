"""What many items cost: reading, measuring and writing them, with a pretend model, so that all of it is the data's way.

    python -m benchmarks.items.stream [--items 1000 10000 100000] [--format jsonl] [--json FILE]

Each number of items has a process of its own. The items show a hundred pictures in turn; they are read, measured by
Shapley values (four prompts an item, each opened, admitted and answered) and written as a table. Told are processor
seconds, milliseconds an item, and how far the process's largest memory rose, in all and by reading alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PICTURES = 100
SIDE = 112


def written(folder: Path, count: int, form: str) -> Path:
    """Write a data set of so many items; return its file."""
    from trimtab.testing import picture

    for number in range(PICTURES):
        picture(number, (SIDE, SIDE)).save(folder / f"{number}.png")
    rows = [
        {
            "id": f"item-{number}",
            "task": "color",
            "image": f"{number % PICTURES}.png",
            "question": "What color is the sofa?",
            "context": f"In room {number} the sofa is blue, and nobody sits on it.",
            "answer_image": "red",
            "answer_text": "blue",
        }
        for number in range(count)
    ]
    file = folder / f"items.{form}"
    if form == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        import pandas as pd

        pd.DataFrame(rows).to_parquet(file)
    return file


def one(count: int, form: str) -> dict[str, float]:
    """Do it once in this process, and return its numbers."""
    import trimtab as tt
    from trimtab.engine import Capability
    from trimtab.testing.fake_engine import FakeEngine

    with tempfile.TemporaryDirectory() as name:
        folder, engine = Path(name), FakeEngine({Capability.LOGITS})
        for size in (10, count):  # what is loaded once, and only then all of them
            file = written(folder, size, form)
            before, started = _largest(), time.process_time()
            items = tt.read_items(file, images=folder)
            read, held = time.process_time() - started, _largest()
            found = tt.measure(engine, items)
            found.table().to_parquet(folder / "found.parquet")
        assert len(found) == count
    spent = time.process_time() - started
    return {
        "items": count,
        "seconds": spent,
        "ms_an_item": 1e3 * spent / count,
        "read_ms_an_item": 1e3 * read / count,
        "mb": (_largest() - before) / 1e6,
        "read_mb": (held - before) / 1e6,
    }


def _largest() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure each number of items in a process of its own, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--format", choices=("jsonl", "parquet"), default="jsonl")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(one(options.items[0], options.format)))
        return
    found = []
    for count in options.items:
        command = [sys.executable, "-m", "benchmarks.items.stream", "--alone", "--format", options.format, "--items"]
        out = subprocess.run([*command, str(count)], check=True, capture_output=True, text=True).stdout
        found.append(json.loads(out.splitlines()[-1]))
        print("  ".join(f"{name} {value:,.2f}" for name, value in found[-1].items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
