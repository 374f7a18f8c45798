"""Writing to disk: what is there is whole, and is the old or the new, whatever happens in between."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trimtab.errors import RunFolderError, TrimtabError
from trimtab.exchange import exchange

OTHERWISE = "choose another folder"
REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
    errno.EROFS: "choose a folder that is not read-only",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
}
ROOM = 16384
"""Bytes written to see whether a disk takes any."""

_PART = re.compile(r"\.(?P<stem>.*)\.(?P<host>[^.]*)\.(?P<pid>\d+)\.[0-9a-f]{8}\.(part|before)")
_TORCH_WRITER = re.compile(r"PytorchStreamWriter|inline_container|cannot be opened|file write failed")
_RUST_CODE = re.compile(r"\(os error (\d+)\)")


def write_whole(
    path: str | Path,
    content: bytes | str | Callable[[Path], object],
    *,
    owner: str = "`out`",
    error: type[TrimtabError] = RunFolderError,
) -> Path:
    """Write a file under a temporary name that then takes its name, so it is there whole or not at all.

    The temporary name is this writer's own, so two writers never tear each other's file: the last one wins. A link is
    followed, and what it points to is replaced.

    Args:
        path: The file; folders above it are made.
        content: Its content; or a function that writes it to the temporary path it is given.
        owner: What the user calls the place, for the error.
        error: The error's class.

    Returns:
        The path given.

    Raises:
        RunFolderError: Or ``error``: it cannot be written; what was there before is unchanged.
    """
    path = Path(path)
    with writing(path, owner, error):
        real = Path(os.path.realpath(path))
        if os.path.lexists(real) and not real.is_file():
            raise OSError(errno.EEXIST, "something else than a file is there")
        real.parent.mkdir(parents=True, exist_ok=True)
        part = temporary_name(real)
        try:
            if callable(content):
                content(part)
            else:
                part.write_bytes(content.encode() if isinstance(content, str) else content)
            _sync(part)
            part.replace(real)
        finally:
            _remove(part)
        _sync(real.parent)
    return path


def write_folder(folder: Path, files: Mapping[str, bytes], *, owner: str = "`folder`") -> Path:
    """Write a folder of files beside its place and put it there; a folder that was there is replaced whole.

    Whether the old folder may be replaced is for the caller to know.

    Args:
        folder: The folder.
        files: Content by file name.
        owner: What the user calls the place, for the error.

    Returns:
        The folder given.

    Raises:
        RunFolderError: It cannot be written; what was there before is unchanged.
    """
    with writing(folder, owner):
        real = Path(os.path.realpath(folder))
        real.parent.mkdir(parents=True, exist_ok=True)
        part = temporary_name(real)
        try:
            part.mkdir()
            for name, data in files.items():
                (part / name).write_bytes(data)
                _sync(part / name)
            _sync(part)
            _put_in_place(part, real)
        finally:
            _remove(part)
        _sync(real.parent)
    return folder


def recover(folder: Path) -> None:
    """Bring back a folder whose replacing a crash cut in two, where a system cannot exchange two folders at once."""
    real = Path(os.path.realpath(folder))
    if os.path.lexists(real) or not real.parent.is_dir():
        return
    before = [p for p in _left_behind(real.parent.glob("*.before")) if _stem(p) == real.name[:60]]
    if before:
        with writing(folder, "`folder`"):
            before[0].rename(real)


@contextmanager
def writing(path: str | Path, owner: str, error: type[TrimtabError] = RunFolderError) -> Iterator[None]:
    """Put into one sentence, with its remedy, whatever the system says while the block writes.

    Args:
        path: What is written.
        owner: What the user calls the place.
        error: The error's class.

    Raises:
        RunFolderError: Or ``error``: the system refuses.
    """
    try:
        yield
    except TrimtabError:
        raise
    except Exception as caught:
        code = _code(caught)
        if code is None:
            raise
        reason = (getattr(caught, "strerror", None) or str(caught)).splitlines()[0]
        raise error(
            f"{owner} must be a place that can be written to; writing {str(path)!r:.300} failed ({reason}); "
            f"{REMEDIES.get(code, OTHERWISE)}."
        ) from caught


def _code(error: Exception) -> int | None:
    """Return the number of a system's refusal; 0 where it gave none; None if the error is of another kind."""
    text = str(error)
    if isinstance(error, OSError):
        return error.errno or 0
    if found := _RUST_CODE.search(text):  # safetensors
        return int(found[1])
    if _TORCH_WRITER.search(text):
        return errno.ENOSPC
    return 0 if "null byte" in text else None


def check_writable(path: str | Path, owner: str = "`--out`", error: type[TrimtabError] = RunFolderError) -> None:
    """Refuse a place that cannot be written to, before any work; clear what killed writers left of it.

    Args:
        path: A file or folder that may not be there yet.
        owner: What the user calls it.
        error: The error's class.

    Raises:
        RunFolderError: Or ``error``: it cannot be written to, or its disk is full.
    """
    with writing(path, owner, error):
        real = home = Path(os.path.realpath(path))
        while not _is_there(home):
            home = home.parent
        if home.is_file() and home == real:
            home = home.parent
        if not home.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{home} is no folder")
        part = temporary_name(home / real.name)
        try:
            part.write_bytes(b"\0" * ROOM)
            _sync(part)
        finally:
            _remove(part)
    if real.parent.is_dir():
        for left in _left_behind(real.parent.iterdir()):
            if _stem(left) == real.name[:60] and (left.suffix == ".part" or os.path.lexists(real)):
                _remove(left)


def sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder of ours."""
    for left in _left_behind(folder.rglob("*.part")):
        _remove(left)


def temporary_name(path: Path) -> Path:
    """Return a name beside a path for what is not whole yet, of this process alone."""
    return path.with_name(f".{path.name[:60]}.{host_name()}.{os.getpid()}.{secrets.token_hex(4)}.part")


def is_temporary(path: Path) -> bool:
    """Whether a name is one that a writer gives to what is not whole yet."""
    return _PART.fullmatch(path.name) is not None


def host_name() -> str:
    """Return this machine's name as it stands in temporary names and locks."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:24]


def is_alive(pid: int) -> bool:
    """Whether a process of this machine is running."""
    import psutil

    return psutil.pid_exists(pid)


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _stem(part: Path) -> str:
    match = _PART.fullmatch(part.name)
    return match["stem"] if match else ""


def _left_behind(paths: Iterator[Path]) -> list[Path]:
    """List the temporary names among paths whose writer, on this machine, is dead."""
    found = [(path, match) for path in paths if (match := _PART.fullmatch(path.name))]
    return [path for path, m in found if m["host"] == host_name() and not is_alive(int(m["pid"]))]


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename ``part`` to ``folder``; what was there before takes the name of ``part``, or comes back."""
    if not folder.exists():
        part.rename(folder)
        return
    if exchange(part, folder):
        return
    before = part.with_suffix(".before")
    folder.rename(before)
    try:
        part.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    _remove(before)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk; a full one may say so only here."""
    is_folder = path.is_dir()
    try:
        place = os.open(path, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except OSError:
        if not is_folder:  # not every system can wait for a folder
            raise


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return  # the disk that refused the write refuses this too; the first error is the one to tell
