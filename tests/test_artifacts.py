"""One door to whatever was fitted for a model."""

import json
from pathlib import Path

import pytest

import trimtab
from trimtab.circuits import HeadSet
from trimtab.errors import ArtifactError
from trimtab.interference import HardenConfig, LoraConfig, harden
from trimtab.models import Model, load
from trimtab.steering import Artifact, Instruction
from trimtab.testing import tiny_model

from .interference.items import image_item
from .models.folders import save


def test_a_steering_artifact_and_a_head_set_load_by_one_name(model: Model, tmp_path: Path):
    told = trimtab.load_artifact(Instruction(target="text").fit(model).save(tmp_path / "told"), model)
    assert isinstance(told, Artifact)
    assert told.target == "text"
    made = HeadSet.of(model, "image", [(0, 1), (1, 0)], strength=0.5)
    heads = trimtab.load_artifact(made.save(tmp_path / "heads"), model)
    assert isinstance(heads, HeadSet)
    assert heads.heads == made.heads
    assert heads.strength == 0.5
    assert trimtab.load_artifact(tmp_path / "told", model, Artifact).name == "instruction"
    with pytest.raises(ArtifactError, match="must hold an? Artifact; .* holds a HeadSet"):
        trimtab.load_artifact(tmp_path / "heads", model, Artifact)


def test_adapters_load_by_the_same_name_as_the_model_with_them(tmp_path: Path):
    pytest.importorskip("peft")
    base = load(save(tiny_model("llava", check=False), tmp_path / "base"))
    config = HardenConfig(steps=1, batch_size=2, perturbations=("unrelated_text",), lora=LoraConfig(rank=2))
    done = harden(base, [image_item(k) for k in range(4)], tmp_path / "hard", config)
    hardened = trimtab.load_artifact(done.folder, base)
    assert isinstance(hardened, Model)
    assert hardened.fingerprint != base.fingerprint
    with pytest.raises(ArtifactError, match="must be the one it was fitted on"):
        trimtab.load_artifact(done.folder, tiny_model("llava", seed=7))

    record = json.loads((done.folder / "harden.json").read_text())
    before = {"max_grad_norm": "clip", "num_workers": "workers", "batch_size": "batch"}  # what these were called once
    record["config"] = {before.get(name, name): value for name, value in record["config"].items()}
    assert set(before.values()) < set(record["config"])
    (done.folder / "harden.json").write_text(json.dumps(record))
    assert trimtab.load_artifact(done.folder, base, Model).fingerprint == hardened.fingerprint


@pytest.mark.parametrize("kind", ["told", "heads"])
def test_another_model_is_refused_whatever_the_kind(model: Model, tmp_path: Path, kind: str):
    made = Instruction().fit(model) if kind == "told" else HeadSet.of(model, "image", [(0, 1)])
    folder = made.save(tmp_path / kind)
    with pytest.raises(ArtifactError, match="must be the one it was fitted on"):
        trimtab.load_artifact(folder, tiny_model(model.family.name, seed=7))


def test_an_unknown_kind_is_refused_with_those_that_are_known(model: Model, tmp_path: Path):
    folder = Instruction().fit(model).save(tmp_path / "told")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "method": "magic"}))
    with pytest.raises(ArtifactError, match=r"known kind \(.*\); got 'magic'"):
        trimtab.load_artifact(folder, model)
    with pytest.raises(ArtifactError, match="there is no folder"):
        trimtab.load_artifact(tmp_path / "nowhere", model)
