"""How a verb ends: every error becomes one sentence on stderr and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from trimtab.cli.console import warn
from trimtab.errors import MissingDependencyError, TrimtabError, UsageError

FAILURE, USAGE, MISSING_DEPENDENCY, INTERRUPTED = 1, 2, 3, 130
SHOW = "TRIMTAB_TRACEBACK"
"""Environment variable: set to 1, the traceback of any error is printed before its sentence."""


_interrupts: list[int] = []
"""Interrupts of the verb that runs."""


@contextmanager
def _noting_interrupts() -> Iterator[None]:
    """Note interrupts inside the block, beside what Python makes of them."""
    _interrupts.clear()
    if threading.current_thread() is not threading.main_thread():  # which alone gets them
        yield
        return

    def noted(number: int, frame: FrameType | None) -> None:
        _interrupts.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, noted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class GuardedGroup(TyperGroup):
    """Runs a verb and ends with an exit code, whatever happens; no traceback reaches the user unasked."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> object:
        """Run the command line.

        Args:
            args: As of typer.
            standalone_mode: Whether to end the program with the exit code, or to return it.
            extra: As of typer.
        """
        _open_missing_streams()
        with _RemarksOfTheLibrary(), _noting_interrupts():
            code = exit_code(lambda: super(GuardedGroup, self).main(*args, standalone_mode=False, **extra))
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: Any) -> object:
        """Run a verb; stopping it is told here, since versions of typer differ in what they make of it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            warn("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None


def exit_code(run: Callable[[], object]) -> int:
    """Run something, tell what went wrong, and return the exit code."""
    try:
        returned = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        warn("Interrupted.")
        return INTERRUPTED
    except (Exception, SystemExit) as error:
        return _told(error)
    return returned if isinstance(returned, int) else 0


def _told(error: BaseException) -> int:
    """Tell an error in one sentence and return its exit code."""
    if isinstance(error, (typer.Exit, SystemExit)):
        code = error.exit_code if isinstance(error, typer.Exit) else error.code
        return code if isinstance(code, int) else FAILURE
    if _interrupts:  # one that came during an import may have become another error there
        warn("Interrupted.")
        return INTERRUPTED
    if _lost_reader(error):
        return FAILURE  # as typer and rich end when they meet it first
    if os.environ.get(SHOW) == "1":
        traceback.print_exception(error)
    known = _known(error)
    if known is None:
        warn(f"Error: {_bug(error)}")
        return FAILURE
    sentence, code = known
    if sentence:
        warn(sentence)
    return code


def _known(error: BaseException) -> tuple[str, int] | None:
    """Return sentence and exit code of an error that users can do something about."""
    if isinstance(error, MissingDependencyError):
        return f"Error: {error}", MISSING_DEPENDENCY
    if isinstance(error, TrimtabError):
        return f"Error: {error}", USAGE if isinstance(error, UsageError) else FAILURE
    if isinstance(error, typer.Abort):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, _OfTyper):
        return _of_the_command_line(error), getattr(error, "exit_code", USAGE)
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in ("", "trimtab"):
            return None
        return f"Error: package {package!r} is needed and not installed; run: pip install {package}", MISSING_DEPENDENCY
    if isinstance(error, MemoryError):
        return "Error: there is not enough memory for this; close other programs, or use fewer items.", FAILURE
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"Error: the system refused to read or write: {where}{error.strerror}.", FAILURE
    return None


@runtime_checkable
class _OfTyper(Protocol):
    """Typer's own error: a missing argument, an unknown option, a wrong value."""

    def format_message(self) -> str: ...


def _of_the_command_line(error: _OfTyper) -> str:
    """Say in one line what typer would say in a box, and where help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "trimtab"
    message = error.format_message().strip()
    if type(error).__name__ == "NoArgsIsHelpError":  # the message is the help, which typer has printed already
        return ""
    if message.endswith("?"):  # typer asks whether a name near it was meant
        return f"Error: {message} See {path} --help."
    return f"Error: {message.rstrip('.')}; see {path} --help."


def _bug(error: BaseException) -> str:
    """Keep the traceback in a file and say where; nobody but us can do anything about it."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    kept = _kept("".join(traceback.format_exception(error)))
    where = f"the traceback is in {kept}" if kept else f"set {SHOW}=1 to see the traceback"
    return f"trimtab failed where it should not ({what}); this is a bug, please report it; {where}."


def _kept(text: str) -> Path | None:
    try:
        handle, name = tempfile.mkstemp(prefix="trimtab-error-", suffix=".txt", text=True)
        os.close(handle)
        Path(name).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None  # no place for it; the sentence says how to see it
    return Path(name)


def _lost_reader(error: BaseException) -> bool:
    """Whether whoever read our output has gone, as ``head`` does; what is left to print then goes nowhere."""
    if not (isinstance(error, OSError) and error.errno == errno.EPIPE):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    return True


def _open_missing_streams() -> None:
    """Give a program that was started without stdout or stderr somewhere to write to; escape what neither can show."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  (open to the end)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class _RemarksOfTheLibrary(logging.Handler):
    """Prints what the library logs as remarks, made harmless like everything else that is printed."""

    def __enter__(self) -> _RemarksOfTheLibrary:
        logging.getLogger("trimtab").addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger("trimtab").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())
