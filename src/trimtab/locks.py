"""A folder, or a part of one, that one process at a time writes to."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Self

from trimtab.errors import InUseError, RunFolderError
from trimtab.files import host_name, sweep, writing

try:
    import fcntl
except ImportError:  # Windows, where folders are not locked
    fcntl = None

LOCK = ".lock"
"""File of a locked folder that says who holds it; it goes with the lock."""

_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


class FileLock:
    """Holds a file until ``release``, until this object is gone, or until the process is, however it ends.

    The operating system keeps the lock, so one that a killed process held is free at once. The thread that holds a
    lock may take it again; another thread may not, unless both share it.
    """

    def __init__(
        self, path: Path, owner: str, in_use: Callable[[str], str], *, shared: bool = False, clear: bool = False
    ) -> None:
        """Take it.

        Args:
            path: The file that is locked; it says who holds it, and goes with a lock that is not shared.
            owner: What the user calls what it stands for.
            in_use: Says, of whoever holds it, that it is in use.
            shared: Hold it together with others who share it.
            clear: Remove from its folder what killed writers left there.

        Raises:
            InUseError: Somebody else holds it.
            RunFolderError: Its file system has no locks, or it cannot be written to.
        """
        with writing(path, owner):
            path.parent.mkdir(parents=True, exist_ok=True)
            path = Path(os.path.realpath(path.parent)) / path.name
            held = _held.get(path)
            if held is None or held.thread != threading.get_ident() or held.shared > shared:
                held = _Handle(path, _taken(path, owner, in_use, shared), shared)
                if clear:
                    sweep(path.parent)
        self._handle: _Handle | None = held

    def release(self) -> None:
        """Let it go, unless an earlier lock of this thread still holds it."""
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class FolderLock(FileLock):
    """Holds a folder, which is made if need be and cleared of what killed writers left in it."""

    def __init__(self, folder: str | Path, owner: str = "`out`", *, shared: bool = False) -> None:
        """Take it.

        Args:
            folder: The folder.
            owner: What the user calls it.
            shared: Hold it together with others who share it, each for a part of it.

        Raises:
            InUseError: Somebody else holds it.
            RunFolderError: Its file system has no locks, or it cannot be written to.
        """
        super().__init__(
            Path(folder) / LOCK,
            owner,
            lambda holder: (
                f"{owner} must be a folder that nobody else is writing to; {os.path.realpath(folder)} is in use by "
                f"{holder}; wait until that ends, or choose another folder."
            ),
            shared=shared,
            clear=True,
        )


class _Handle:
    """An open lock; it is closed when the last ``FileLock`` of its thread lets go."""

    def __init__(self, path: Path, number: int, shared: bool) -> None:
        self.number, self.shared, self.thread = number, shared, threading.get_ident()
        weakref.finalize(self, _let_go, path, number, os.getpid(), shared)
        _held[path] = self


_held: weakref.WeakValueDictionary[Path, _Handle] = weakref.WeakValueDictionary()


def _taken(path: Path, owner: str, in_use: Callable[[str], str], shared: bool) -> int:
    """Open and lock the file, and write into it who holds it."""
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            # Whoever held it may have removed the file after this process opened it.
            if path.exists() and os.path.samestat(os.fstat(number), path.stat()):
                os.ftruncate(number, 0)
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                who = {"pid": os.getpid(), "host": host_name(), "since": since, "shared": shared}
                os.write(number, json.dumps(who).encode())
                return number
        except BlockingIOError:
            os.close(number)
            raise InUseError(in_use(_holder(path))) from None
        except OSError as error:
            os.close(number)
            if fcntl is not None and error.errno in _WITHOUT_LOCKS:
                raise RunFolderError(
                    f"{owner} must be on a file system that can lock files, so that two runs never mix; {path.parent} "
                    f"is not ({error.strerror}); choose a folder on another disk."
                ) from error
            raise
        os.close(number)


def _holder(path: Path) -> str:
    """Say who holds a lock, as far as the file tells."""
    try:
        found = json.loads(path.read_bytes()[:1000])
        who = f"process {found['pid']} on {found['host']} since {found['since']}"
        if found.get("shared"):
            return f"processes that each work on a part of it, {who} the last to begin"
        mine = found["pid"] == os.getpid() and found["host"] == host_name()
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"another thread of this process ({who})" if mine else who


def _let_go(path: Path, number: int, owner: int, shared: bool) -> None:
    if os.getpid() != owner:
        return  # a forked child, which has closed its copy
    if not shared:  # others may hold a shared one, and know it by this file
        with contextlib.suppress(OSError):  # on a disk that became read-only; the lock itself goes with the open file
            path.unlink(missing_ok=True)
    os.close(number)


def _forget_in_child() -> None:
    """Close a forked child's copies: a child that outlives its parent must not go on holding the parent's folders."""
    for handle in list(_held.values()):
        os.close(handle.number)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
