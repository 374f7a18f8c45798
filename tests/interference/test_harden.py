"""Whole runs of hardening: killed, starved of memory, fed broken rows; and what comes out."""

import json
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from safetensors.torch import load_file

import trimtab as tt
from tests.interference.items import image_item, mixed
from trimtab.engine import run
from trimtab.errors import ArtifactError, TrimtabError, UsageError
from trimtab.interference import AttackConfig, HardenConfig, clean_view, harden, variant
from trimtab.interference.hardening import PAPER, VARIANTS, StepCost
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.weights import trainable
from trimtab.interference.views import Opened
from trimtab.items import MediaBytes, relevant_name
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.testing import tiny_model

QUICK = HardenConfig(
    steps=6, batch_size=3, evaluate_every=2, learning_rate=1e-2, perturbations=("misleading_text", "noise_image"),
    attack=AttackConfig(steps=1),
)  # fmt: skip


HARDEN = import_module("trimtab.interference.hardening.fine_tuning")


class KilledError(Exception):
    """Stands for a process that ends in the middle."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the run die in a step, once; the list returned fills with the place of every step's first group."""
    forward, places = Objective.forward, []

    def deadly(self, groups, share=1.0):
        places.append(groups[0].place)
        if len(places) == step:
            raise KilledError
        return forward(self, groups, share)

    monkeypatch.setattr(Objective, "forward", deadly)
    return places


def logits(model: Model) -> torch.Tensor:
    return run(model, [clean_view(item).prompt(Opened()) for item in mixed(2)]).logits


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
    before = {name: p.clone() for name, p in model.hf.state_dict().items()}
    steps = killed_at(4, monkeypatch)
    with pytest.raises(KilledError):
        harden(model, mixed(4), tmp_path / "run", config)
    assert same(before, model.hf.state_dict())
    again = harden(model, mixed(4), tmp_path / "run", config)
    assert steps == [0, 3, 6, 9, 6, 9, 12, 15]  # from the checkpoint after two steps
    assert same(weights(again.folder, method), weights(unbroken(model, method).folder, method))
    assert same(before, model.hf.state_dict())
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_too_little_memory_halves_the_batch_and_changes_nothing_else(one, unbroken, tmp_path, monkeypatch, caplog):
    plain = unbroken(one)
    forward, sizes = Objective.forward, []

    def starved(self, groups, share=1.0):
        sizes.append(len(groups))
        if len(groups) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, groups, share)

    monkeypatch.setattr(Objective, "forward", starved)
    found = harden(one, mixed(4), tmp_path / "run", QUICK)
    assert sizes[:6] == [3, 3, 2, 1, 2, 1]  # remembered pictures are given up first
    assert "micro-batches of 2" in caplog.text
    # Adam blows rounding up where gradients vanish, so losses are compared, not weights.
    got, expected = ([entry["loss"] for entry in done.record["log"] if "loss" in entry] for done in (found, plain))
    assert got == pytest.approx(expected, rel=1e-3)


def test_a_broken_picture_is_reported_and_the_run_goes_on(one, tmp_path, caplog):
    broken = replace(image_item(8), image=MediaBytes(b"no picture"))
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
    config = replace(QUICK, steps=60, batch_size=6, evaluate_every=60, learning_rate=2e-2, evaluation_items=6)
    found = harden(one, items, tmp_path / "run", config, validation=items)
    losses = [entry["sft"] for entry in found.record["log"] if "sft" in entry]
    assert losses[-1] < losses[0] / 2
    assert found.record["after"]["worst"] > found.record["before"]["worst"]
    assert {"clean_image", "worst_image", "clean_text", "clean_both", "clean", "worst"} <= found.record["after"].keys()
    assert all("consistency" in entry for entry in found.record["log"] if "sft" in entry)
    card = (found.folder / "README.md").read_text()
    assert f"base_model: {one.name}" in card
    assert "| clean | " in card
    assert "| image | after | " in card
    assert "No checkpoint was chosen" in card  # there was one evaluation
    record = json.loads((found.folder / "harden.json").read_text())
    assert record["finished"]
    assert record["per_step"]["seen"] > record["per_step"]["attacked"] > 0


def test_early_stopping_stops(one, tmp_path):
    config = replace(QUICK, steps=12, evaluate_every=1, patience=2, learning_rate=1e-9, attack=None)
    assert harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2)).record["steps"] == 3


def test_early_stopping_counts_on_after_a_kill(one, tmp_path, monkeypatch):
    config = replace(QUICK, steps=12, evaluate_every=1, patience=3, learning_rate=1e-9, attack=None)
    killed_at(4, monkeypatch)
    with pytest.raises(KilledError):
        harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2))
    again = harden(one, mixed(2), tmp_path / "run", config, validation=mixed(2))
    assert again.record["steps"] == 4  # the best is the first; three more without a better one


def test_a_torn_checkpoint_is_passed_over(one, unbroken, tmp_path, monkeypatch):
    calls = killed_at(6, monkeypatch)
    with pytest.raises(KilledError):
        harden(one, mixed(4), tmp_path / "run", QUICK)
    (tmp_path / "run" / "checkpoints" / "checkpoint-4" / "trainer_state.json").write_text('{"epoch": ')
    again = harden(one, mixed(4), tmp_path / "run", QUICK)
    assert calls == [0, 3, 6, 9, 12, 15, 6, 9, 12, 15]  # from the checkpoint after two steps
    assert same(weights(again.folder), weights(unbroken(one).folder))


def test_what_was_skipped_before_a_kill_is_counted(one, tmp_path, monkeypatch):
    broken = [replace(image_item(i), image=MediaBytes(b"no picture")) for i in range(8, 16)]
    config = replace(QUICK, attack=None, mixture={"image": 1, "text": 1})
    expected = harden(one, [*mixed(2), *broken], tmp_path / "unbroken", config).record["skipped_items"].keys()
    killed_at(6, monkeypatch)
    with pytest.raises(KilledError):
        harden(one, [*mixed(2), *broken], tmp_path / "run", config)
    again = harden(one, [*mixed(2), *broken], tmp_path / "run", config)
    assert again.record["skipped_items"].keys() == expected


def test_a_finished_run_is_returned_as_it_is(one, unbroken, monkeypatch):
    done = unbroken(one)
    monkeypatch.setattr(HARDEN, "_trained", None)
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
    items = [i for i in mixed(2) if i.relevant != PAIR]
    with pytest.raises(UsageError, match="whose relevant is both"):
        harden(one, items, tmp_path / "run", replace(QUICK, mixture={"both": 1}))
    with pytest.raises(UsageError, match="items with `relevant`"):
        harden(one, [replace(image_item(), relevant=None)], tmp_path / "run", QUICK)


def test_items_that_cannot_be_trained_on_are_counted(one, tmp_path):
    unusable = [replace(image_item(8), relevant=None), replace(image_item(9), choices=())]
    found = harden(one, [*mixed(2), *unusable], tmp_path / "run", replace(QUICK, steps=1))
    assert found.record["skipped_items"].keys() == {"i8", "i9"}
    assert "`choices`" in found.record["skipped_items"]["i9"]


def test_the_card_has_the_counts(one, tmp_path):
    found = harden(one, mixed(2), tmp_path / "run", replace(QUICK, steps=1))
    assert found.record["counts"] == {
        "views": {"clean": 6, "misleading_text": 2, "noise_image": 2},
        "attackable": 4,
    }
    card = (found.folder / "README.md").read_text()
    assert "6 clean, 2 misleading_text, 2 noise_image" in card
    assert "could be attacked: 4" in card


@pytest.mark.parametrize(
    ("family", "change", "named"),
    [
        ("image", {}, "`perturbations`.*noise_image fits none of 2"),
        ("image", {"perturbations": ()}, "`attack`"),
        ("both", {"perturbations": (), "attack": None}, "`consistency`"),
    ],
)
def test_a_part_that_would_never_apply_is_refused(one, tmp_path, family, change, named):
    with pytest.raises(UsageError, match=named):
        harden(
            one,
            [i for i in mixed(2) if relevant_name(i.relevant) == family],
            tmp_path / "run",
            replace(QUICK, **change),
        )
    assert not (tmp_path / "run").exists()


def test_all_weights_are_trained_in_float32_and_saved_in_their_own_type(tmp_path):
    model = tiny_model("llava", layers=2, check=False)
    model.hf.to(torch.bfloat16)
    before = {name: p.clone() for name, p in model.hf.state_dict().items()}
    config = replace(QUICK, method="full", steps=4, learning_rate=1e-5, attack=None)
    with trainable(model, config):
        assert {p.dtype for p in model.decoder.parameters()} == {torch.float32}
    found = harden(model, mixed(2), tmp_path / "run", config, validation=mixed(2))
    assert same(before, model.hf.state_dict())
    assert {p.dtype for p in model.hf.parameters()} == {torch.bfloat16}
    assert {w.dtype for w in weights(found.folder, "full").values()} == {torch.bfloat16}


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
