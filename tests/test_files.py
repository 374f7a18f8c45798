"""Files and folders that are there whole, whatever happens while they are written."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from trimtab.errors import DataError, RunFolderError, UsageError
from trimtab.file_names import LONGEST, check_names, file_name
from trimtab.files import check_writable, host_name, sweep, write_whole, writing

DEAD = 2**22 + 1
"""A process that is not: beyond the largest number that Linux gives."""


def test_a_file_is_written_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a" / "b.txt", "text")
    write_whole(tmp_path / "a" / "b.txt", lambda part: part.write_text("newer"))
    assert (tmp_path / "a" / "b.txt").read_text() == "newer"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_whatever_stops_the_writing_leaves_the_old_file(tmp_path):
    path = write_whole(tmp_path / "a", "old")

    def stopped(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, stopped)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_never_tear_a_file(tmp_path):
    texts, path = {"a" * 100_000, "b" * 100_000}, tmp_path / "file"

    def write(text: str) -> None:
        for _ in range(30):
            write_whole(path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    for writer in writers:
        writer.join()
    assert seen <= texts
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "file")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").read_text() == "text"


def test_what_is_no_file_is_never_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(RunFolderError, match="something else than a file"):
            write_whole(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "not read-only"),
        (errno.EACCES, "you may write to"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_the_remedy_is_that_of_the_refusal(tmp_path, code, remedy):
    def refuse(_part: Path) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(DataError, match=rf"`path` must be.*{os.strerror(code)}.*{remedy}") as caught:
        write_whole(tmp_path / "a", refuse, owner="`path`", error=DataError)
    assert ("space and" in str(caught.value)) == (code == errno.ENOSPC)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_content_stays_what_it_is(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "a", lambda _part: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_says_so_whoever_writes():
    for message in (
        "PytorchStreamWriter failed writing file data/0",
        "I/O error: No space left on device (os error 28)",
    ):
        with pytest.raises(RunFolderError, match="free some space"), writing("x", "`out`"):
            raise RuntimeError(message)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/inside"])
def test_a_place_that_cannot_be_is_refused_before_work(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    for act in (check_writable, lambda path: write_whole(path, "text")):
        with pytest.raises(RunFolderError, match="must be a place that can be written to"):
            act(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_look_leaves_nothing(tmp_path):
    check_writable(tmp_path / "new" / "deep")
    (tmp_path / "file").write_text("mine")
    check_writable(tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk")
def test_a_full_and_a_read_only_disk_are_told_apart(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (tmp_path / "big").write_bytes(b"\0" * 12_000)
        with pytest.raises(RunFolderError, match=r"No space left on device.*free some space"):
            check_writable(tmp_path / "run")
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        for act in (check_writable, lambda path: write_whole(path, "text")):
            with pytest.raises(RunFolderError, match=r"Read-only file system.*not read-only"):
                act(tmp_path / "run")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_what_killed_writers_left_goes(tmp_path):
    mine = tmp_path / f".a.txt.{host_name()}.{os.getpid()}.0123abcd.part"
    dead = tmp_path / f".a.txt.{host_name()}.{DEAD}.0123abcd.part"
    elsewhere = tmp_path / f".a.txt.other-host.{DEAD}.0123abcd.part"
    another = tmp_path / f".b.txt.{host_name()}.{DEAD}.0123abcd.part"
    for path in (mine, dead, elsewhere, another):
        path.write_text("half")
    check_writable(tmp_path / "a.txt")
    assert set(tmp_path.iterdir()) == {mine, elsewhere, another}
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {mine, elsewhere}


@pytest.mark.parametrize("name", ["pocket-qwen", "org/Model-7B", "fit-l2s-image", "all, size 0.5-0", "amps_prose"])
def test_a_plain_name_stays(name):
    assert file_name(name) == name.replace("/", "--")


ODD = [
    *("../../../../escape", "/etc/passwd\0", "", "..", ".", "a" * 300, "con", "LPT1.txt", "a\\b", "模型"),
    *("x ", "x.", "a:b", ".hidden", "-rf", "a\nb", "\ud800"),
]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_one_name_inside_the_folder(tmp_path, name):
    found = file_name(name)
    assert (tmp_path / found).resolve().parent == tmp_path.resolve()
    assert found
    assert len(found) <= LONGEST
    assert found.isascii()
    assert found.isprintable()
    assert found[0] not in ".-"
    (tmp_path / found).write_text("")


def test_odd_names_stay_different():
    assert len({file_name(name) for name in ODD}) == len(ODD)


def test_names_that_differ_in_case_alone_are_refused():
    check_names(["a", "b", "org/a"], "`methods`")
    with pytest.raises(UsageError, match="`methods` must have.*'L2S' and 'l2s'"):
        check_names(["L2S", "l2s"], "`methods`")
