"""Kill long verbs at random moments, let them go on, and compare with runs that nobody killed.

``python -m tests.fuzz.kills --n 30`` starts each verb on a small checkpoint and a few items as a process of its own,
kills it (KILL, TERM or INT) at a random moment, up to so many times, lets it end, and compares every file that holds
results: byte for byte, or value for value where a file also holds times. It exits with 1 if anything differs, is left
over, or ends in a traceback. Processes are forks of one that has imported everything, so that moments fall into work.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import peft  # noqa: F401  (children are forks, which need not import again)
import transformers.models.qwen2_5_vl.modeling_qwen2_5_vl
import transformers.trainer  # noqa: F401

import trimtab.circuits
import trimtab.contribution
import trimtab.interference
import trimtab.report
import trimtab.steering
import trimtab.studies  # noqa: F401
from trimtab import cli
from trimtab.testing import SMALL, realistic_checkpoint

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
STUDY = """\
name: kills
models: [model]
methods: [none, mean, l2s]
targets: [image]
train_items: 4
validation_items: 2
test_items: 4
sweep_items: 2
contribution_items: 2
depths: [0.5]
strengths: [1.0]
chunk: 2
"""
VERBS: dict[str, list[str]] = {
    "measure": ["measure", "model", "pocket-mc2:test", "--limit", "48", "--method", "attention"],
    "fit": ["fit", "mean", "model", "pocket-mc2:train", "--target", "image", "--limit", "12"],
    "study": ["study", "study.yaml"],
    "circuits": ["circuits", "model", "pocket-mc2:test", "--limit", "8", "--flow-items", "1", "--window", "1"],
    "interference": ["interference", "model", "pocket-interference:test", "--limit", "4"],
    "harden": [
        *("harden", "model", "pocket-interference:train", "--limit", "8", "--steps", "6", "--batch-size", "1"),
        *("--evaluate-every", "1", "--rank", "2"),
    ],
}
TIMED = ("seconds", "per_step", "log", "hardware")
"""Fields that hold times, or what depends on them."""
RETOLD = ("report.html", "provenance.json")
"""Files that tell times among what other files hold."""


class Child:
    """A verb in a process of its own, in the folder above its run's, where its relative paths begin."""

    def __init__(self, verb: str, out: Path, log: Path) -> None:
        sys.stdout.flush()
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            self._run(verb, out, log)

    def _run(self, verb: str, out: Path, log: Path) -> None:
        code = 1
        try:
            # A shell that starts this in the background lets its children ignore interrupts.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.chdir(out.parent)
            file = log.open("a", buffering=1)
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = file
            sys.argv = ["trimtab", *VERBS[verb], "--out", str(out)]
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def wait(self, seconds: float = math.inf) -> int | None:
        """Wait for its end; return its exit code, negative for a signal, or None if it goes on for longer."""
        until = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                break
            else:
                time.sleep(0.01)
        return self.code


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
        self.killed = 0
        self.model = realistic_checkpoint(home / "model", "qwen2.5-vl-3b", dtype="float32", sizes=SMALL)
        self.whole: dict[str, tuple[dict[str, Any], float]] = {}

    def unkilled(self, verb: str) -> tuple[dict[str, Any], float]:
        """Run a verb without killing it, once; return what it says, and its seconds."""
        if verb not in self.whole:
            folder = self.folder(f"{verb}-whole")
            began = time.monotonic()
            if Child(verb, folder / "run", folder / "log").wait():
                raise SystemExit(f"{verb} fails unkilled; see {folder / 'log'}")
            self.whole[verb] = values(folder / "run"), time.monotonic() - began
            say(f"{verb} unkilled: {self.whole[verb][1]:.0f} s, {len(self.whole[verb][0])} files")
        return self.whole[verb]

    def trial(self, number: int, verb: str) -> None:
        """Kill a verb some times, let it end, and compare."""
        expected, seconds = self.unkilled(verb)
        folder, told = self.folder(f"{verb}-{number}"), []
        for _ in range(self.times):
            child, wait = Child(verb, folder / "run", folder / "log"), self.chance.uniform(0.05, 0.95) * seconds
            how = self.chance.choice(SIGNALS)
            if child.wait(wait) is None:
                os.kill(child.pid, how)
                self.killed += 1
            told.append(f"{how.name} at {wait:.1f} s: {child.wait()}")
        if code := Child(verb, folder / "run", folder / "log").wait():
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
        (folder / "model").symlink_to(self.model)
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
    say(f"{kills.killed} kills of {arguments.n} runs, {len(kills.faults)} faults; {home}")
    sys.exit(bool(kills.faults))


if __name__ == "__main__":
    main()
