"""The Hub: artifacts go there and come back, reports and data go with their cards."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from huggingface_hub import constants

from tests.integrations.hub_stand_in import HubStandIn
from trimtab.circuits import HeadSet
from trimtab.cli import app
from trimtab.errors import ArtifactError, UsageError
from trimtab.integrations.hub import from_pretrained, pull, push_items, push_to_hub
from trimtab.items import read_items
from trimtab.models import Model
from trimtab.steering import Artifact, given_vectors
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llava")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with HubStandIn().in_its_place(monkeypatch) as found:
        yield found


def artifact(model: Model) -> Artifact:
    return given_vectors(model, {1: torch.arange(float(model.hidden_size))}, "image", strength=1.5)


def test_an_artifact_goes_and_comes_back(hub, model, tmp_path):
    folder = artifact(model).save(tmp_path / "mine")
    (folder / "notes.txt").write_text("mine alone")
    address = push_to_hub(folder, "me/mine", private=True, token="hf_x")
    assert address == "https://huggingface.co/me/mine"
    assert set(hub.repos["models/me/mine"]) == {"config.json", "weights.safetensors", "README.md"}
    assert (hub.private, hub.commits) == ({"me/mine"}, 1)
    back = from_pretrained("me/mine", model, Artifact)
    assert torch.equal(vars(back.edits()[0])["direction"], vars(artifact(model).edits()[0])["direction"])
    assert back.strength == 1.5
    with pytest.raises(ArtifactError, match="fitted on"):
        from_pretrained("me/mine", tiny_model("qwen2_5_vl"))
    with pytest.raises(ArtifactError, match="leave `kind` out"):
        from_pretrained("me/mine", model, HeadSet)


def test_head_sets_go_too_and_the_card_says_what_they_are(hub, model, tmp_path):
    heads = HeadSet.of(model, "image", [(0, 1), (1, 0)])
    push_to_hub(heads.save(tmp_path / "heads"), "me/heads", token="hf_x")
    card = hub.repos["models/me/heads"]["README.md"].decode()
    assert yaml.safe_load(card.split("---")[1])["library_name"] == "trimtab"
    assert from_pretrained("me/heads", model, HeadSet).heads == heads.heads


def test_of_a_run_its_report_goes(hub, tmp_path):
    run = tmp_path / "run"
    (run / "figures").mkdir(parents=True)
    (run / "summary.json").write_text("{}")
    for name in ("report.html", "config.yaml", "provenance.json", "items.parquet", "figures/a.svg"):
        (run / name).write_text("x")
    with pytest.MonkeyPatch.context() as patch:
        row = {"model": "m", "target": "image", "method": "l2s", "protocol": "open", "task": "all", "chosen": True}
        summary = {"kind": "steering", "rows": [row | {"n": 8, "following": 0.5, "collapse": 0.125}]}
        patch.setattr("trimtab.integrations.hub.read_summary", lambda _run: summary)
        assert push_to_hub(run, "me/run", token="hf_x") == "https://huggingface.co/datasets/me/run"
    sent = hub.repos["datasets/me/run"]
    assert set(sent) == {"README.md", "report.html", "summary.json", "config.yaml", "provenance.json", "figures/a.svg"}
    assert "| m | image | `l2s` | open | 8 | 50.0% | 12.5% |" in sent["README.md"].decode()


def test_data_go_as_parquet_with_pictures_and_a_licence(hub, tmp_path):
    items = read_items("pocket-mc2:test")[:3] + read_items("pocket-mc2:validation")[:2]
    push_items(items, "me/pocket", title="pocket", licence="cc-by-sa-4.0", notice="OpenMoji.", token="hf_x")
    sent = hub.repos["datasets/me/pocket"]
    assert set(sent) == {
        "README.md",
        "data/test-00000-of-00001.parquet",
        "data/validation-00000-of-00001.parquet",
    }
    head = yaml.safe_load(sent["README.md"].decode().split("---")[1])
    assert head["license"] == "cc-by-sa-4.0"
    assert [one["split"] for one in head["configs"][0]["data_files"]] == ["test", "validation"]
    table = pq.read_table(io.BytesIO(sent["data/test-00000-of-00001.parquet"]))
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(table.column_names)
    (tmp_path / "t.parquet").write_bytes(sent["data/test-00000-of-00001.parquet"])
    back = read_items(tmp_path / "t.parquet")
    assert [(one.id, one.question) for one in back] == [(one.id, one.question) for one in items[:3]]
    assert back[0].image is not None
    assert items[0].image is not None
    assert back[0].image.open().tobytes() == items[0].image.open().tobytes()


def test_what_the_hub_refuses_is_one_sentence(hub, model, tmp_path):
    with pytest.raises(UsageError, match="`repo` must be .*'me/none' is not to be had"):
        pull("me/none")
    with pytest.raises(UsageError, match="`repo` must be"):
        pull("no/such/name")
    hub.repos["models/me/empty"] = {"README.md": b"x"}
    with pytest.raises(ArtifactError, match="must hold an artifact"):
        pull("me/empty")
    with pytest.raises(ArtifactError, match="is neither"):
        push_to_hub(tmp_path, "me/x")
    with pytest.raises(UsageError, match="at least one item"):
        push_items([], "me/x", title="x", licence="mit")


def test_the_command_line_pushes_and_pulls(hub, model, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.chdir(tmp_path)
    artifact(model).save("mine")
    run = CliRunner().invoke
    assert run(app, ["artifacts", "push", "mine", "me/mine"]).exit_code == 0
    assert run(app, ["artifacts", "pull", "me/mine", "back", "--json"]).exit_code == 0
    assert sorted(one.name for one in Path("back").iterdir() if one.is_file()) == sorted(hub.repos["models/me/mine"])
    assert run(app, ["artifacts", "pull", "me/mine", "back"]).exit_code == 1
    assert run(app, ["data", "push", "pocket-mc2:test", "me/p", "--limit", "2"]).exit_code == 0
    assert "OpenMoji" in hub.repos["datasets/me/p"]["README.md"].decode()
    refused = run(app, ["data", "push", "pocket-mc2:test", "me/p", "--licence", "mit"])
    assert (refused.exit_code, "cc-by-sa-4.0" in refused.stderr) == (2, True)
