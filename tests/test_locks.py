"""A folder that one process at a time writes to."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from trimtab import locks
from trimtab.errors import RunFolderError
from trimtab.locks import LOCK, FolderLock

HOLD = """
import signal, sys, time
from trimtab.locks import FolderLock
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background ignores it
lock = FolderLock(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_leaves_nothing(tmp_path):
    with FolderLock(tmp_path / "new"):
        assert json.loads((tmp_path / "new" / LOCK).read_text())["pid"] == os.getpid()
    assert list((tmp_path / "new").iterdir()) == []


def test_the_error_names_the_holder(tmp_path, holder):
    with pytest.raises(
        RunFolderError, match=rf"`--out` must be.*in use by process {holder.pid} on \S+ since 20"
    ) as caught:
        FolderLock(tmp_path, "`--out`")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, holder, how):
    holder.send_signal(how)
    holder.wait()
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_stale_lock_of_a_number_that_lives_again_is_taken_over(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"pid": os.getppid(), "host": locks.host_name(), "since": "long ago"}))
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_the_thread_that_holds_it_may_take_it_again_and_another_may_not(tmp_path):
    errors = []

    def other() -> None:
        try:
            FolderLock(tmp_path)
        except RunFolderError as error:
            errors.append(str(error))

    with FolderLock(tmp_path):
        with FolderLock(tmp_path):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(errors) == 1
    assert "another thread of this process" in errors[0]
    FolderLock(tmp_path).release()


def test_a_forked_child_neither_keeps_nor_frees_the_lock(tmp_path):
    with FolderLock(tmp_path):
        child = os.fork()
        if child == 0:
            time.sleep(0.2)
            os._exit(0)
        assert (tmp_path / LOCK).exists()
    FolderLock(tmp_path).release()  # free although the child lives
    os.waitpid(child, 0)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused_in_one_sentence(tmp_path, monkeypatch, code):
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.raises(RunFolderError, match="file system that can lock files.*another disk"):
        FolderLock(tmp_path)


def test_a_lock_that_is_no_file_is_refused(tmp_path):
    (tmp_path / LOCK).mkdir()
    with pytest.raises(RunFolderError, match="must be a place that can be written to"):
        FolderLock(tmp_path)
