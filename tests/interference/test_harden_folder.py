"""The folder of a hardening run: whose it is, what is in it when, and disks that refuse."""

import errno
import json
import os
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.interference.items import mixed
from trimtab.errors import ArtifactError, RunFolderError, UsageError
from trimtab.interference import HardenConfig, harden
from trimtab.interference.hardening.config import LoraConfig
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.weights import Adapters
from trimtab.models import Model
from trimtab.testing import tiny_model

QUICK = HardenConfig(steps=2, batch_size=2, evaluate_every=1, learning_rate=1e-2, perturbations=("misleading_text",))
HARDEN = import_module("trimtab.interference.hardening.fine_tuning")


class KilledError(Exception):
    """Stands for a process that ends in the middle."""


@pytest.fixture(scope="module")
def one() -> Model:
    return tiny_model("llava", layers=2, check=False)


@pytest.fixture(scope="module")
def finished(one: Model, tmp_path_factory) -> Path:
    return harden(one, mixed(2), tmp_path_factory.mktemp("finished") / "run", QUICK).folder


def killed(monkeypatch: pytest.MonkeyPatch, target: object, name: str) -> None:
    """Let the run die where a function is called, once."""
    whole = getattr(target, name)

    def deadly(*arguments, **options):
        monkeypatch.setattr(target, name, whole)
        raise KilledError

    monkeypatch.setattr(target, name, deadly)


def test_another_version_is_refused(one, finished, tmp_path, monkeypatch):
    folder = shutil.copytree(finished, tmp_path / "run")
    known = HARDEN.version
    monkeypatch.setattr(HARDEN, "version", lambda name: "9.9.9" if name == "trimtab" else known(name))
    with pytest.raises(ArtifactError, match=r"same versions.*9\.9\.9.*choose another folder"):
        harden(one, mixed(2), folder, QUICK)
    monkeypatch.undo()
    monkeypatch.setattr(HARDEN, "source_digest", lambda: "changed")
    with pytest.raises(ArtifactError, match="same versions.*changed"):
        harden(one, mixed(2), folder, QUICK)


def test_a_run_whose_model_is_gone_is_not_finished(one, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / "adapter_model.safetensors").write_bytes(b"half")
    with pytest.raises(ArtifactError, match=r"adapter_model\.safetensors is not the file of \d+ bytes"):
        harden(one, mixed(2), folder, QUICK)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "[" * 100_000])
def test_a_record_that_is_none_is_named(one, tmp_path, text):
    (tmp_path / "harden.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"`harden\.json` of .* is broken"):
        harden(one, mixed(2), tmp_path, QUICK)


def test_until_it_is_whole_there_is_no_model(one, finished, tmp_path, monkeypatch):
    killed(monkeypatch, HARDEN, "model_card")  # the weights are written, the card is not
    with pytest.raises(KilledError):
        harden(one, mixed(2), tmp_path / "run", QUICK)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["checkpoints", "harden.json"]
    again = harden(one, mixed(2), tmp_path / "run", QUICK).folder
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in finished.iterdir())
    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (again, finished))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_disk_that_fills_up_is_one_sentence_and_the_run_goes_on(one, tmp_path, monkeypatch):
    def full(_weights: Adapters | None, folder: Path) -> None:
        (folder / "adapter_config.json").write_text("{}")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Adapters, "save", full)
        with pytest.raises(RunFolderError, match=r"`out` of harden.*No space left.*free some space") as caught:
            harden(one, mixed(2), tmp_path / "run", QUICK)
    assert "\n" not in str(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", lambda *_: full(None, tmp_path))
        patch.setattr(HARDEN, "save_model", lambda *_: {})
        with pytest.raises(RunFolderError, match="free some space"):
            harden(one, mixed(2), tmp_path / "other", QUICK)
    assert harden(one, mixed(2), tmp_path / "run", QUICK).record["finished"]


def test_a_run_that_was_moved_keeps_its_best_checkpoint(one, tmp_path, monkeypatch):
    config = replace(QUICK, steps=3, learning_rate=1e-9)  # the first evaluation stays the best
    expected = harden(one, mixed(2), tmp_path / "unbroken", config, validation=mixed(2)).folder
    killed(monkeypatch, HARDEN, "save_model")
    with pytest.raises(KilledError):
        harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2))
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-1").is_dir()
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    again = harden(one, mixed(2), moved, config, validation=mixed(2)).folder
    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (again, expected))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_best_checkpoint_that_is_gone_is_an_error(one, tmp_path, monkeypatch):
    config = replace(QUICK, steps=3, learning_rate=1e-9)
    killed(monkeypatch, HARDEN, "save_model")
    with pytest.raises(KilledError):
        harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2))
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "checkpoint-1")
    with pytest.raises(RunFolderError, match="best checkpoint of the run"):
        harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2))


def test_no_step_is_taken_in_a_folder_of_something_else(one, tmp_path, monkeypatch):
    monkeypatch.setattr(Objective, "forward", None)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ArtifactError, match="choose another"):
        harden(one, mixed(2), tmp_path, QUICK)
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]


def test_two_runs_write_one_configuration(finished):
    kept = json.loads((finished / "adapter_config.json").read_text())
    assert kept["target_modules"] == sorted(kept["target_modules"])


def test_adapters_wider_than_the_model_are_refused_before_work(one, tmp_path):
    config = replace(QUICK, lora=LoraConfig(rank=100_000))
    with pytest.raises(UsageError, match="`rank` of LoraConfig must be at most 64"):
        harden(one, mixed(2), tmp_path / "run", config)
    assert not (tmp_path / "run").exists()
