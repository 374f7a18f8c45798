"""What is printed: progress off a terminal, markup, widths, JSON, and a stdout that is closed."""

import io
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import trimtab
from trimtab.cli import console
from trimtab.cli.console import BarProgress, LineProgress, print_json, print_table

ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_off_a_terminal_a_task_says_at_most_one_line_every_few_seconds(capsys):
    clock = Clock()
    with LineProgress(clock).task("fit [amps]", 100) as advance:
        for _ in range(100):
            clock.now += 0.4
            advance(1)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "fit [amps]: 100 to do"
    assert said[1] == "fit [amps]: 13 of 100 in 5 s, about 35 s left"
    assert said[-1] == "fit [amps]: done in 40 s"
    assert len(said) == 2 + 7


def test_a_short_task_says_one_line_and_an_empty_one_none(capsys):
    lines = LineProgress(Clock())
    with lines.task("cost", 2) as advance:
        advance(2)
    with lines.task("controls", 0):
        pass
    assert capsys.readouterr().err == "cost: 2 to do\n"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(4.6, "5 s"), (59.7, "1 min 0 s"), (125, "2 min 5 s"), (7260, "2 h 1 min")]
)
def test_times_are_short(seconds, shown):
    assert console.in_words(seconds) == shown


def test_titles_of_bars_are_no_markup():
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    written = io.StringIO()
    column = TextColumn("{task.description}", markup=False)
    with (
        Progress(column, console=Console(file=written, force_terminal=True, width=80)) as bars,
        BarProgress(bars).task("[/bold] \x1b[2Jfit", 3) as advance,
    ):
        advance(3)
    assert "[/bold] fit" in written.getvalue()
    assert "\x1b[2Jfit" not in written.getvalue()


def test_a_table_shows_markup_letter_by_letter(capsys):
    print_table("[red]t[/red]", ["[b]", "n"], [["[/nothing] :smile:", "1"], [], ["alone"], ["\x1b[31mx\u202ey", "2"]])
    shown = capsys.readouterr().out
    assert "[red]t[/red]" in shown
    assert "[/nothing] :smile:" in shown
    assert "xy" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_table_fits_its_terminal(width, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    question = "Which of the animals on the left is looking at the ball behind the chair?"
    print_table("A title", ["task", "question", "items"], [["color", question, "12"]] * 2, left=2)
    lines = ANSI.sub("", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("12" in line for line in lines) == 2


@pytest.mark.parametrize("text", ["图片左边的动物正在看椅子后面的球吗" * 8, "x" * 300], ids=["no blanks", "one word"])
def test_long_text_without_blanks_is_broken(text, capsys):
    print_table("A", ["task", "question", "items"], [["color", text, "12"]], left=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert "".join(line.replace("color", "").replace("12", "").strip() for line in lines[4:]) == text


def test_numbers_are_never_cut_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    print_table("A", ["method", "following (95 %)", "opposite"], [["instruction", "54.2 (44.2 to 64.1)", "12.5"]])
    shown = ANSI.sub("", capsys.readouterr().out)
    assert "…" not in shown
    assert all(number in shown for number in ("54.2", "44.2", "64.1", "12.5"))


def test_json_holds_what_a_terminal_would_obey_escaped(capsys):
    value = {"text": "\x9b31m\u202e\ud83d é", "nan": float("nan")}
    print_json(value)
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"text": value["text"], "nan": None}
    assert "é" in shown
    assert not set("\x9b\u202e\ud83d") & set(shown)


MAIN = [sys.executable, "-c", "from trimtab.cli import main; main()"]


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*MAIN, *arguments], capture_output=True, timeout=120, check=False, **options)


def test_version_is_printed():
    done = run("--version", text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == trimtab.__version__


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_reader_that_has_gone_and_a_full_disk_are_no_tracebacks():
    reading, writing = os.pipe()
    os.close(reading)
    with closing(os.fdopen(writing, "wb")) as gone:
        done = subprocess.run([*MAIN, "--version"], stdout=gone, stderr=subprocess.PIPE, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    closed = subprocess.run(
        [*MAIN, "--version"], stderr=subprocess.PIPE, timeout=120, check=False, preexec_fn=lambda: os.close(1)
    )
    assert (closed.returncode, closed.stderr) == (0, b"")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([*MAIN, "--version"], stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(b"Error: the system refused to read or write")
        assert len(done.stderr.splitlines()) == 1


def test_a_terminal_that_knows_ascii_alone_is_no_error():
    done = run("data", "show", "--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_no_color_is_heeded():
    done = run("--help", text=True, env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "60"})
    assert "\x1b[3" not in done.stdout
    assert max(map(len, ANSI.sub("", done.stdout).splitlines())) <= 60
