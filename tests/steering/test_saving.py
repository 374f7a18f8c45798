"""Artifact folders: whole or not there, and refused when broken."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.steering.conftest import quick
from trimtab.errors import ArtifactError, RunFolderError, UsageError
from trimtab.models import Model
from trimtab.steering import Artifact, TrainingSet, load_steering


@pytest.fixture
def saved(model: Model, train: TrainingSet, tmp_path: Path) -> Path:
    return quick("l2s").fit(model, train).save(tmp_path / "artifacts" / "l2s")


def test_holds_three_files_and_no_pickle(saved: Path):
    assert sorted(p.name for p in saved.iterdir()) == ["README.md", "config.json", "weights.safetensors"]
    assert [p.name for p in saved.parent.iterdir()] == ["l2s"]
    card = (saved / "README.md").read_text()
    assert "follow the image" in card
    assert "load_artifact" in card


def test_the_card_states_what_tuning_found(model: Model, train: TrainingSet, tmp_path: Path):
    found = {"items": 8, "following": 0.5, "opposite": 0.25, "other": 0.25, "collapse": 0.125}
    artifact = replace(quick("mean").fit(model, train), metrics={"validation": found})
    assert "follows the image in 50.0%" in (artifact.save(tmp_path / "a") / "README.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "schema_version.*99"),
        ({"method": "magic"}, "method.*magic"),
        ({"target": "sound"}, "target.*sound"),
        ({"layer": "three"}, "layer.*three"),
        ({"layer": 77}, "layer.*77"),
        ({"method": "none"}, "weights.safetensors.*'none'"),
    ],
)
def test_a_wrong_field_is_named(saved: Path, model: Model, change: dict, message: str):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ArtifactError, match=message):
        load_steering(saved, model)


def test_a_missing_field_is_named(saved: Path, model: Model):
    config = json.loads((saved / "config.json").read_text())
    del config["model_fingerprint"]
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="model_fingerprint.*no such field"):
        load_steering(saved, model)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_missing_and_broken_files_are_named(saved: Path, model: Model, name: str):
    (saved / name).write_bytes((saved / name).read_bytes()[:40])
    with pytest.raises(ArtifactError, match=f"{name}.*broken"):
        load_steering(saved, model)
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_steering(saved, model)


def test_a_folder_that_is_not_there(model: Model, tmp_path: Path):
    with pytest.raises(ArtifactError, match="config.json"):
        load_steering(tmp_path / "nowhere", model)


def test_saving_again_replaces_an_artifact_and_nothing_else(model: Model, saved: Path):
    artifact = load_steering(saved, model)
    artifact.with_strength(0.5).save(saved)
    assert load_steering(saved, model).strength == 0.5
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        artifact.save(saved)


def test_a_full_disk_leaves_the_old_artifact_and_no_half_of_a_new_one(
    model: Model, saved: Path, monkeypatch: pytest.MonkeyPatch
):
    artifact: Artifact = load_steering(saved, model)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "weights.safetensors":
            write(path, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    for folder in (saved, saved.with_name("new")):
        with pytest.raises(RunFolderError, match="No space left"):
            artifact.with_strength(0.25).save(folder)
    assert [p.name for p in saved.parent.iterdir()] == ["l2s"]
    assert load_steering(saved, model).strength == artifact.strength
