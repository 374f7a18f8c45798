"""Every verb on folders as released ones are, in the types people run them in."""

import json

import pytest
from tests.conflicts import make_items

from trimtab.items import Items, write_items
from trimtab.testing import picture

FOLDERS = [("qwen2.5-vl-7b", "bfloat16"), ("llava-1.5-7b", "float32")]


@pytest.fixture(params=FOLDERS, ids=lambda p: "-".join(p))
def folder(released, request):
    return released(*request.param)


@pytest.fixture
def run(invoke, folder, tmp_path):
    """Runs a verb on the folder and returns its JSON."""
    picture(size=(100, 60)).save(tmp_path / "p.png")

    def call(*arguments):
        result = invoke(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


def test_models_and_measure(run, folder, data):
    assert run("models", "show", folder)["layers"] == 2
    assert run("data", "show", data)["items"] == 6
    found = run("measure", folder, data, "--limit", 2)
    assert [r["ratio"] is not None for r in found["items"]] == [True, True]


def test_fit_evaluate_generate(run, folder, data):
    artifact = run("fit", "mean", folder, data, "--target", "image", "--layer", 1, "--limit", 4)["artifact"]
    found = run("evaluate", folder, data, "--artifact", artifact, "--limit", 2)
    assert {r["method"] for r in found["rates"]} == {"none", "instruction", "mean"}
    ask = ("generate", folder, "--image", "p.png", "--question", "What is it?", "--context", "A dog.")
    assert run(*ask, "--artifact", artifact, "--strength", 5)["receipt"][0]["layer"] == 1


def test_circuits(run, folder, data):
    found = run("circuits", folder, write_items(Items(make_items("test", 12)), data), "--limit", 12, "--flow-items", 2)
    assert found["summary"]["claims"]


def test_interference_and_harden(run, folder, data):
    found = run("interference", folder, data, "--relevant", "image", "--out", "i")
    assert found["summary"]["effects"]
    options = ("--relevant", "image", "--steps", 1, "--batch-size", 1, "--rank", 2, "--perturbation", "unrelated_text")
    hardened = run("harden", folder, data, *options, "--out", "h")
    assert run("models", "show", hardened["folder"])["layers"] == 2
