"""Whole runs of hardening: killed, starved of memory, fed broken rows; and what comes out."""

import json
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from safetensors.torch import load_file

import trimtab as tt
from tests.interference.items import image_item, mixed
from trimtab.data import ImageBytes
from trimtab.engine import run
from trimtab.errors import ArtifactError, TrimtabError, UsageError
from trimtab.interference import AttackConfig, HardenConfig, clean_view, harden, variant
from trimtab.interference.harden import PAPER, VARIANTS, StepCost
from trimtab.interference.harden.objective import Objective
from trimtab.interference.views import Pictures
from trimtab.models import Model
from trimtab.testing import tiny_model

QUICK = HardenConfig(
    steps=6, batch=3, evaluate_every=2, learning_rate=1e-2, perturbations=("misleading_text", "noise_image"),
    attack=AttackConfig(steps=1),
)  # fmt: skip


HARDEN = import_module("trimtab.interference.harden.harden")  # by attributes, that name is the function


class KilledError(Exception):
    """Stands for a process that ends in the middle."""


def logits(model: Model) -> torch.Tensor:
    return run(model, [clean_view(item).prompt(Pictures()) for item in mixed(2)]).logits


def weights(folder, method="lora"):
    return load_file(folder / ("adapter_model.safetensors" if method == "lora" else "model.safetensors"))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def one() -> Model:
    """A model for what does not depend on the family."""
    return tiny_model("llava", layers=2, check=False)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run that nothing happened to, of each family and method, made once."""
    made = {}

    def get(model, method="lora"):
        if (model.fingerprint, method) not in made:
            folder = tmp_path_factory.mktemp("unbroken") / "run"
            made[model.fingerprint, method] = harden(model, mixed(4), folder, replace(QUICK, method=method))
        return made[model.fingerprint, method]

    return get


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_ends_with_the_same_weights(model, method, unbroken, tmp_path, monkeypatch):
    config = replace(QUICK, method=method)
    steps = []
    forward = Objective.forward

    def deadly(self, groups, share=1.0):
        steps.append(groups[0].place)
        if len(steps) == 4:
            raise KilledError
        return forward(self, groups, share)

    before = {name: p.clone() for name, p in model.hf.state_dict().items()}
    monkeypatch.setattr(Objective, "forward", deadly)
    with pytest.raises(KilledError):
        harden(model, mixed(4), tmp_path / "run", config)
    assert same(before, model.hf.state_dict())
    again = harden(model, mixed(4), tmp_path / "run", config)
    assert steps == [0, 3, 6, 9, 6, 9, 12, 15]  # from the checkpoint after two steps
    assert same(weights(again.folder, method), weights(unbroken(model, method).folder, method))
    assert same(before, model.hf.state_dict())
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_too_little_memory_halves_the_batch_and_changes_nothing_else(one, unbroken, tmp_path, monkeypatch, caplog):
    forward, sizes = Objective.forward, []

    def starved(self, groups, share=1.0):
        sizes.append(len(groups))
        if len(groups) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, groups, share)

    monkeypatch.setattr(Objective, "forward", starved)
    found = harden(one, mixed(4), tmp_path / "run", QUICK)
    assert sizes[:5] == [3, 2, 1, 2, 1]
    assert "micro-batches of 2" in caplog.text
    # Adam blows rounding up where gradients vanish, so losses are compared, not weights.
    got, expected = (
        [entry["loss"] for entry in done.record["log"] if "loss" in entry] for done in (found, unbroken(one))
    )
    assert got == pytest.approx(expected, rel=1e-3)


def test_a_broken_picture_is_reported_and_the_run_goes_on(one, tmp_path, caplog):
    broken = replace(image_item(8), image=ImageBytes(b"no picture"))
    found = harden(one, [*mixed(2), broken], tmp_path / "run", replace(QUICK, attack=None))
    assert found.record["skipped"] == 1
    assert "corrupt" in found.record["skipped_items"]["i8"]
    assert "Skipped 1 items" in caplog.text
    assert "1 skipped" in (found.folder / "README.md").read_text()


@pytest.mark.parametrize("bundled", ["pocket-qwen", "pocket-llava"])
def test_what_comes_out_is_what_load_takes(bundled, tmp_path):
    try:
        model = tt.load(bundled)
    except TrimtabError:
        pytest.skip("the bundled weights are not there")
    before = logits(model)
    found = harden(model, mixed(2), tmp_path / "lora", replace(QUICK, steps=2, attack=None, learning_rate=1e-3))
    assert torch.equal(logits(model), before)
    back = tt.load(found.folder)
    assert not torch.allclose(logits(back), before, atol=1e-3)
    assert back.fingerprint != model.fingerprint
    assert not any(p.requires_grad for p in back.hf.parameters())
    full = replace(QUICK, steps=2, attack=None, method="full", learning_rate=1e-4)
    whole = tt.load(harden(model, mixed(2), tmp_path / "full", full).folder)
    assert not torch.allclose(logits(whole), before, atol=1e-4)
    assert torch.equal(logits(model), before)


def test_training_learns_and_is_evaluated(one, tmp_path):
    items = mixed(2)
    config = replace(QUICK, steps=60, batch=6, evaluate_every=60, learning_rate=2e-2, evaluation_items=6)
    found = harden(one, items, tmp_path / "run", config, validation=items)
    losses = [entry["sft"] for entry in found.record["log"] if "sft" in entry]
    assert losses[-1] < losses[0] / 2
    assert found.record["after"]["worst"] > found.record["before"]["worst"]
    assert {"clean_image", "worst_image", "clean_text", "clean_both", "clean", "worst"} <= found.record["after"].keys()
    assert all("consistency" in entry for entry in found.record["log"] if "sft" in entry)
    card = (found.folder / "README.md").read_text()
    assert f"base_model: {one.name}" in card
    assert "| clean | " in card
    record = json.loads((found.folder / "harden.json").read_text())
    assert record["finished"]
    assert record["per_step"]["seen"] > record["per_step"]["attacked"] > 0


def test_early_stopping_stops(one, tmp_path):
    config = replace(QUICK, steps=12, evaluate_every=1, patience=2, learning_rate=1e-9, attack=None)
    assert harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2)).record["steps"] == 3


def test_a_finished_run_is_returned_as_it_is(one, unbroken, monkeypatch):
    done = unbroken(one)
    monkeypatch.setattr(HARDEN, "trainable", None)
    assert harden(one, mixed(4), done.folder, QUICK).record == done.record
    with pytest.raises(ArtifactError, match="same config"):
        harden(one, mixed(4), done.folder, replace(QUICK, seed=1))
    with pytest.raises(ArtifactError, match="same items"):
        harden(one, mixed(3), done.folder, QUICK)


def test_checkpointing_and_mixed_precision_run(one, tmp_path):
    config = replace(QUICK, steps=2, checkpointing=True, precision="bfloat16")
    found = harden(one, mixed(2), tmp_path / "run", config)
    assert found.record["log"][0]["loss"] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"perturbations": ("magic",)},
        {"perturbations": ("shuffled_image",)},
        {"consistency": "cosine"},
        {"method": "prefix"},
        {"steps": 0},
        {"micro_batch": 9},
        {"learning_rate": 0},
        {"mixture": {"image": 0}},
        {"mixture": {"sound": 1}},
    ],
    ids=str,
)
def test_a_wrong_configuration_is_refused(wrong):
    with pytest.raises(UsageError):
        HardenConfig(**wrong)


def test_a_family_that_is_asked_for_must_be_there(one, tmp_path):
    items = [i for i in mixed(2) if i.relevant != "both"]
    with pytest.raises(UsageError, match="whose relevant is both"):
        harden(one, items, tmp_path / "run", replace(QUICK, mixture={"both": 1}))
    with pytest.raises(UsageError, match="items with `relevant`"):
        harden(one, [replace(image_item(), relevant=None)], tmp_path / "run", QUICK)


def test_variants_change_the_parts_they_name():
    parts = {
        name: (c.attack is not None, c.consistency, bool(c.perturbations))
        for name in VARIANTS
        for c in [variant(QUICK, name)]
    }
    assert parts == {
        "more_vqa": (False, "none", False),
        "augmented": (False, "none", True),
        "kl": (False, "kl", True),
        "js": (False, "js", True),
        "adversarial": (True, "none", True),
        "all": (True, "kl", True),
    }
    with pytest.raises(UsageError, match="`variant`"):
        variant(QUICK, "magic")


def test_the_count_of_work_is_the_one_that_was_derived():
    """18 rows, all attacked: 54 F without, 108 + 36 K with an attack of K steps (full fine-tuning)."""
    work = StepCost(tokens=18, attacked=18, method="full")
    assert work.forward_equivalents(None) == 54
    assert [work.forward_equivalents(AttackConfig(steps=k)) for k in (1, 2)] == [144, 180]
    assert StepCost(18, 18, "lora").forward_equivalents(None) == 36
    assert PAPER.mixture == {"image": 2, "text": 2, "both": 4}
