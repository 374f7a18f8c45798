"""Every job on a GPU: loading, circuits, steering, hardening, and the command line from end to end."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import trimtab as tt
from tests.circuits.conftest import tiny_items
from tests.conflicts import make_items
from tests.contribution.items import conflict_items
from tests.cuda.conftest import POCKET, model_on
from tests.engine.prompts import varied_prompts
from tests.interference.items import mixed
from trimtab.checking import check_model
from trimtab.circuits import EDGES, build_cases, head_scores, knockout, lens
from trimtab.cli import app
from trimtab.interference import AttackConfig
from trimtab.items import Items, write_items
from trimtab.steering import Artifact
from trimtab.testing import tiny_model


@pytest.mark.parametrize("name", POCKET)
def test_load_takes_cuda_unless_told_otherwise(name: str):
    model = tt.load(name)
    assert model.device.type == "cuda"
    assert {p.device.type for p in model.hf.parameters()} == {"cuda"}
    assert tt.load(name, device="cpu").device.type == "cpu"
    assert tt.load(name, dtype="bfloat16", device="cuda:0", attention="eager").dtype == torch.bfloat16


@pytest.mark.parametrize("release", ["qwen2.5-vl-7b", "llava-1.5-7b"])
def test_a_device_map_with_offload_computes_the_same(released, release: str, tmp_path: Path):
    folder = released(release, "float32")
    whole = tt.load(folder, device="cuda")
    inner = "model.language_model"
    names = {n.removeprefix("model.").split(".")[0] for n, _ in whole.hf.named_parameters() if n.startswith("model.")}
    parts = {f"model.{n}": 0 for n in names if n != "language_model"} | {"lm_head": 0}
    parts |= {f"{inner}.{n}": 0 for n, _ in whole.hf.get_submodule(inner).named_children() if n != "layers"}
    parts |= {f"{inner}.layers.{i}": (0 if i == 0 else "cpu") for i in range(whole.n_layers)}
    spread = tt.load(folder, device_map=parts)
    assert spread.device.type == "cuda"
    assert spread.fingerprint == whole.fingerprint
    rows = [
        tt.Row(p, edits) for p in varied_prompts() for edits in ((), (tt.AddVector(1, torch.ones(whole.hidden_size)),))
    ]
    expected = tt.run(whole, rows).logits
    for reuse in (True, False):
        found = tt.run(spread, rows, reuse=reuse).logits
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert tt.generate(spread, rows, max_new_tokens=3).tokens == tt.generate(whole, rows, max_new_tokens=3).tokens


@pytest.mark.parametrize("score", ["direct", "gradient", "causal", "patching"])
def test_scores_of_heads_equal_the_cpus(tiny: tt.Model, score):
    here, there = (
        head_scores(m, build_cases(m, tiny_items()), score).values for m in (tiny, model_on(tiny.name, "cpu"))
    )
    assert (here.cpu() - there).abs().max() < 2e-3 * max(1.0, float(there.abs().max()))


def test_knockouts_and_lenses_equal_the_cpus(tiny: tt.Model):
    cases = build_cases(tiny, tiny_items())
    there = model_on(tiny.name, "cpu")
    ours = knockout(tiny, cases, EDGES, size=2)
    theirs = knockout(there, build_cases(there, tiny_items()), EDGES, size=2)
    assert ours["change"].to_numpy() == pytest.approx(theirs["change"].to_numpy(), abs=2e-3)
    assert len(lens(tiny, cases)) == len(lens(there, build_cases(there, tiny_items())))


@pytest.mark.parametrize("method", [tt.MeanDifference, tt.L2S, tt.AMPS, tt.Autotrim])
def test_fitting_saving_loading_and_evaluating(tiny: tt.Model, method, tmp_path: Path):
    fitted = method("image").fit(tiny, conflict_items(6))
    loaded = tt.load_artifact(fitted.save(tmp_path / "artifact"), tiny, Artifact)
    items = conflict_items(4)
    found, again = (tt.evaluate(tiny, items, [a], strengths=[0.5, 2.0]).answers for a in (fitted, loaded))
    assert len(found) >= len(items)
    assert found["prediction"].tolist() == again["prediction"].tolist()
    elsewhere = tt.load_artifact(tmp_path / "artifact", model_on(tiny.name, "cpu"), Artifact)
    there = tt.evaluate(model_on(tiny.name, "cpu"), items, [elsewhere], strengths=[0.5, 2.0]).answers
    same = [a == b for a, b in zip(found["prediction"], there["prediction"], strict=True)]
    assert sum(same) >= 0.9 * len(same)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
@pytest.mark.parametrize("train", ["lora", "full"])
def test_steps_of_hardening_change_the_weights(family: str, train, tmp_path: Path):
    model = tiny_model(family, layers=2, check=False)
    model.hf.to("cuda")
    model.forget_parts()
    before = model.fingerprint
    config = tt.HardenConfig(
        steps=2,
        batch_size=3,
        evaluate_every=1,
        learning_rate=1e-2,
        method=train,
        perturbations=("misleading_text", "noise_image"),
        attack=AttackConfig(steps=1),
    )
    out = tmp_path / "hardened"
    tt.harden(model, mixed(4), out, config, validation=mixed(2))
    assert model.fingerprint == before
    if train == "lora":
        learnt = load_file(out / "adapter_model.safetensors")
        assert all(w.isfinite().all() for w in learnt.values())
        assert any(w.abs().max() > 1e-4 for n, w in learnt.items() if "lora_B" in n)
    else:
        model.hf.save_pretrained(tmp_path / "before")  # pyright: ignore
        learnt, own = (load_file(folder / "model.safetensors") for folder in (out, tmp_path / "before"))
        assert any((w - own[n]).abs().max() > 1e-4 for n, w in learnt.items())


def test_check_finds_every_job_working(tiny: tt.Model):
    found = check_model(tiny, make_items("test", 4))
    assert found.ok, found.jobs
    assert all((job.peak_bytes or 0) > 0 for job in found.jobs if job.status == "works")
    assert found.machine["gpu"]


def test_the_command_line_from_end_to_end(released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = released("qwen2.5-vl-7b", "bfloat16")
    data = write_items(Items(make_items("test", 12)), tmp_path / "items.jsonl")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> dict:
        torch.cuda.reset_peak_memory_stats()
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == 0, result.output
        assert torch.cuda.max_memory_allocated() > 0
        return json.loads(result.stdout)

    assert call("check", folder, data)["ok"]
    measured = call("measure", folder, data, "--limit", 2)
    assert [r["ratio"] is not None for r in measured["items"]] == [True, True]
    artifact = call("fit", "mean", folder, data, "--target", "image", "--layer", 1, "--limit", 4)["artifact"]
    found = call("evaluate", folder, data, "--artifact", artifact, "--limit", 2)
    assert {r["method"] for r in found["rates"]} == {"none", "instruction", "mean"}
    assert call("circuits", folder, data, "--limit", 12, "--flow-items", 2)["summary"]["claims"]
    assert call("interference", folder, data, "--relevant", "image", "--out", "i")["summary"]["effects"]
    options = ("--relevant", "image", "--steps", 1, "--batch-size", 1, "--rank", 2, "--perturbation", "unrelated_text")
    hardened = call("harden", folder, data, *options, "--out", "h")
    assert tt.load(hardened["folder"]).device.type == "cuda"
