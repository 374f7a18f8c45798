"""Kill long verbs at random moments, let them go on, and compare with runs that nobody killed.

``python -m tests.fuzz.kills --n 30`` starts each verb on pocket-qwen and a few items as a process of its own, kills it
(KILL, TERM or INT) at a random moment, up to so many times, lets it end, and compares every file that holds results:
byte for byte, or value for value where a file also holds times. It exits with 1 if anything differs, is left over, or
ends in a traceback.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STUDY = """\
name: kills
models: [pocket-qwen]
methods: [none, mean, l2s]
targets: [image]
train_items: 8
validation_items: 4
test_items: 8
sweep_items: 4
contribution_items: 4
depths: [0.5]
strengths: [1.0]
chunk: 2
"""
VERBS: dict[str, list[str]] = {
    "measure": ["measure", "pocket-qwen", "pocket-mc2:test", "--limit", "140", "--method", "attention"],
    "fit": ["fit", "mean", "pocket-qwen", "pocket-mc2:train", "--target", "image", "--limit", "12"],
    "study": ["study", "study.yaml"],
    "circuits": ["circuits", "pocket-qwen", "pocket-mc2:test", "--items", "10", "--flow-items", "1"],
    "interference": ["interference", "pocket-qwen", "pocket-interference:test", "--limit", "6"],
    "harden": [
        *("harden", "pocket-qwen", "pocket-interference:train", "--limit", "8", "--steps", "6", "--batch", "1"),
        *("--evaluate-every", "1", "--rank", "2"),
    ],
}
TIMED = ("seconds", "per_step", "log", "hardware")
"""Fields that hold times, or what depends on them."""
RETOLD = ("report.html", "provenance.json")
"""Files that tell times among what other files hold."""


def start(verb: str, out: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a verb in the folder above ``out``, where its relative paths begin."""
    # A shell that starts this in the background lets its children ignore interrupts.
    main = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    main += "from trimtab.cli import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-c", main, *VERBS[verb], "--out", str(out)],
            cwd=out.parent, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment,
        )  # fmt: skip


def values(folder: Path) -> dict[str, Any]:
    """Return what each file of a run says, without times."""
    from pandas import read_parquet

    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name in RETOLD:
            continue
        if path.suffix == ".parquet":
            table = read_parquet(path)
            notes = without_times(table.attrs.pop("notes", {}))
            found[name] = (table.to_csv(), notes)
        elif path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        else:
            found[name] = path.read_bytes()
    return found


def without_times(value: Any) -> Any:
    """Leave out what differs from run to run."""
    if isinstance(value, dict):
        return {key: without_times(v) for key, v in value.items() if key not in TIMED}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def left_over(folder: Path) -> list[str]:
    """List temporary files and locks in a run's folder and beside it."""
    beside = [p for p in folder.parent.iterdir() if p.name.endswith((".part", ".before"))]
    inside = [p for p in folder.rglob("*") if p.name.endswith((".part", ".before")) or p.name == ".lock"]
    return [str(p) for p in (*beside, *inside)]


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Kills:
    """Runs verbs, kills them, and keeps what went wrong."""

    def __init__(self, home: Path, seed: int, times: int) -> None:
        self.home, self.chance, self.times = home, random.Random(seed), times
        self.faults: list[str] = []
        self.whole: dict[str, tuple[dict[str, Any], float]] = {}

    def unkilled(self, verb: str) -> tuple[dict[str, Any], float]:
        """Run a verb without killing it, once; return what it says, and its seconds."""
        if verb not in self.whole:
            folder = self.folder(f"{verb}-whole")
            began = time.monotonic()
            if start(verb, folder / "run", folder / "log").wait():
                raise SystemExit(f"{verb} fails unkilled; see {folder / 'log'}")
            self.whole[verb] = values(folder / "run"), time.monotonic() - began
            say(f"{verb} unkilled: {self.whole[verb][1]:.0f} s, {len(self.whole[verb][0])} files")
        return self.whole[verb]

    def trial(self, number: int, verb: str) -> None:
        """Kill a verb some times, let it end, and compare."""
        expected, seconds = self.unkilled(verb)
        folder, told = self.folder(f"{verb}-{number}"), []
        for _ in range(self.times):
            process, wait = start(verb, folder / "run", folder / "log"), self.chance.uniform(0.1, 1.05) * seconds
            how = self.chance.choice(SIGNALS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
            if process.poll() is None:
                process.send_signal(how)
            told.append(f"{how.name} at {wait:.1f} s: {process.wait()}")
        if code := start(verb, folder / "run", folder / "log").wait():
            self.faults.append(f"{verb} {number}: ends with {code}")
        log = (folder / "log").read_text(errors="replace")
        if "Traceback" in log and "KeyboardInterrupt" not in log:
            self.faults.append(f"{verb} {number}: a traceback in {folder / 'log'}")
        got = values(folder / "run")
        differing = [name for name in sorted(got.keys() | expected.keys()) if got.get(name) != expected.get(name)]
        left = left_over(folder / "run")
        self.faults += [f"{verb} {number}: {name} differs" for name in differing]
        self.faults += [f"{verb} {number}: {name} is left over" for name in left]
        say(f"{number:3d} {verb:12s} {'; '.join(told)}; {len(got)} files, {differing or 'all the same'}")
        if not differing and not left:
            shutil.rmtree(folder)

    def folder(self, name: str) -> Path:
        """Make a folder for a run."""
        folder = self.home / name
        folder.mkdir(parents=True)
        (folder / "study.yaml").write_text(STUDY)
        return folder


def main() -> None:
    """Read the command line and try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=30, help="runs to kill")
    parser.add_argument("--times", type=int, default=2, help="kills of each run")
    parser.add_argument("--verbs", nargs="*", default=list(VERBS), choices=list(VERBS))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="trimtab-kills-"))
    kills = Kills(home, arguments.seed, arguments.times)
    for number in range(arguments.n):
        kills.trial(number, arguments.verbs[number % len(arguments.verbs)])
    for fault in kills.faults:
        say(fault)
    say(f"{arguments.n} runs killed, {len(kills.faults)} faults; {home}")
    sys.exit(bool(kills.faults))


if __name__ == "__main__":
    main()
