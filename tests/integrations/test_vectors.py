"""Vectors of other tools: round trips are equal, what a format cannot say is refused, and nothing in a file is run."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save

from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.artifacts import load_artifact
from trimtab.circuits import HeadSet
from trimtab.engine import Positions, Predictor, Row
from trimtab.errors import ArtifactError, UsageError
from trimtab.integrations.vectors import FORMATS, export_vectors, formats_table, import_vectors
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import Artifact, given_vectors
from trimtab.testing import tiny_model

WRITTEN = [name for name, one in FORMATS.items() if one.writes]
SUFFIX = {"gguf": ".gguf"}


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("qwen2_5_vl")


def vectors(model: Model, layers: tuple[int, ...] = (2,)) -> dict[int, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return {layer: torch.randn(model.hidden_size, generator=g) for layer in layers}


def mean(model: Model, positions: Positions = "all", layer: int = 2, **changes: Any) -> Artifact:
    own: dict[str, Any] = {"layer": layer, "direction": vectors(model, (layer,))[layer], "strength": 1.5}
    return Artifact("mean", "image", model.name, model.fingerprint, positions=positions, **own | changes)


def scores(model: Model, artifact: Artifact) -> torch.Tensor:
    return first_scores(model, artifact.asks(model, [prompt_for(item) for item in held_out_items()]))


def written(model: Model, artifact: Artifact, name: str, folder: Path, **options: Any) -> Path:
    return export_vectors(artifact, model, folder / f"mine{SUFFIX.get(name, '.pt')}", name, **options).path


@pytest.mark.parametrize("name", WRITTEN)
def test_a_round_trip_steers_equally(model, name, tmp_path):
    artifact = mean(model)
    back = import_vectors(written(model, artifact, name, tmp_path), model, "image")
    assert torch.equal(scores(model, back), scores(model, artifact))
    assert not torch.equal(scores(model, back), scores(model, artifact.with_strength(0)))
    again = import_vectors(written(model, back, name, tmp_path / "again"), model, "image")
    assert torch.equal(scores(model, again), scores(model, artifact))


@pytest.mark.parametrize("name", WRITTEN)
def test_several_layers_go_out_and_come_in(model, name, tmp_path):
    artifact = given_vectors(model, vectors(model, (1, 3)), "text", positions="all", strength=0.5)
    back = import_vectors(written(model, artifact, name, tmp_path), model, "text", layers=(1, 3))
    assert [(edit.at_layers(model), edit.name) for edit in back.edits()] == [
        ((1,), "AddVector(all)"),
        ((3,), "AddVector(all)"),
    ]
    assert torch.equal(scores(model, back), scores(model, artifact))
    one = import_vectors(written(model, artifact, name, tmp_path), model, "text", layers=(3,))
    assert len(one.edits()) == 1


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("positions", ["all", "from_last_prompt", "last_prompt", "generated_only"])
def test_positions_are_said_or_refused_or_changed_knowingly(model, name, positions, tmp_path):
    artifact, can = mean(model, positions), positions in FORMATS[name].says
    if not can:
        with pytest.raises(UsageError, match=f"`positions` of export_vectors must be .*{positions}"):
            written(model, artifact, name, tmp_path)
    given = export_vectors(artifact, model, tmp_path / "x.pt", name, positions=positions if can else "all")
    assert any(positions in loss for loss in given.lost) == (not can)


def test_only_generated_tokens_are_said_to_hotwire_in_the_request(model, tmp_path):
    out = export_vectors(mean(model, "generated_only"), model, tmp_path / "calm.pt", "hotwire")
    request = json.loads(out.use.split("in a request: ")[1])
    assert json.loads(request["vllm_xargs"]["hotwire"]) == {"id": "calm", "layer": 2, "scale": 1.0, "decode_only": True}


def test_layer_zero_has_no_place_in_gguf(model, tmp_path):
    with pytest.raises(UsageError, match="layer 1 or above.*acts at layer 0"):
        written(model, mean(model, layer=0), "gguf", tmp_path)
    assert written(model, mean(model, layer=0), "hotwire", tmp_path)


def unsayable(model: Model) -> dict[str, Artifact | HeadSet]:
    size = model.hidden_size
    network = Predictor(torch.ones(2, size), torch.ones(2), torch.ones(size, 2), torch.ones(size))
    return {
        "network": mean(model, direction=network),
        "instruction": mean(model, instruction="Look."),
        "adds nothing": mean(model, strength=0.0),
        "heads": HeadSet.of(model, "image", [(1, 0)]),
    }


@pytest.mark.parametrize("what", ["network", "instruction", "adds nothing", "heads"])
def test_what_no_format_can_say_is_refused(model, what, tmp_path):
    with pytest.raises(UsageError, match="`artifact` of export_vectors must add the same vectors"):
        export_vectors(unsayable(model)[what], model, tmp_path / "x.pt", "hotwire")
    assert not list(tmp_path.iterdir())


def test_another_model_and_another_format_are_refused(model, tmp_path):
    with pytest.raises(ArtifactError, match="fitted on"):
        written(model, replace(mean(model), model_fingerprint="other"), "gguf", tmp_path)
    with pytest.raises(UsageError, match="did you mean 'gguf'"):
        written(model, mean(model), "ggufs", tmp_path)
    with pytest.raises(UsageError, match="one that is written"):
        written(model, mean(model), "repsteer", tmp_path)


def test_an_imported_artifact_is_saved_and_says_where_it_comes_from(model, tmp_path):
    back = import_vectors(written(model, mean(model), "gguf", tmp_path), model, "image", positions="last_prompt")
    loaded = load_artifact(back.save(tmp_path / "saved"), model, Artifact)
    assert torch.equal(scores(model, loaded), scores(model, back))
    assert loaded.metrics["import"]["format"] == "gguf"
    assert loaded.metrics["import"]["made_for"] == "qwen2_5_vl"
    assert "Imported from `mine.gguf`" in (tmp_path / "saved" / "README.md").read_text()
    assert loaded.has_strength
    with loaded.applied(model, 2.0) as receipt:
        first_scores(model, [Row(prompt_for(held_out_items()[0]))])
    assert list(receipt.entries) == [("AddVector(last_prompt)", 2)]


# Files as the tools themselves write them.


def as_repeng(path: Path, directions: dict[int, np.ndarray], kind: str = "controlvector") -> Path:
    writer = gguf.GGUFWriter(path, kind)
    writer.add_string("controlvector.model_hint", "mistral")
    writer.add_uint32("controlvector.layer_count", len(directions))
    for layer, direction in directions.items():
        writer.add_tensor(f"direction.{layer}", direction)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_repengs_directions_are_added_after_blocks_of_their_numbers(model, tmp_path):
    held = {layer: vector.numpy() for layer, vector in vectors(model, (1, 2, 3)).items()}
    got = import_vectors(as_repeng(tmp_path / "happy.gguf", held), model, "image")
    assert [edit.at_layers(model) for edit in got.edits()] == [(1,), (2,), (3,)]
    assert got.metrics["import"]["made_for"] == "mistral"
    for edit, vector in zip(got.edits(), held.values(), strict=True):
        assert np.array_equal(vars(edit)["direction"].numpy(), vector)


def test_a_gguf_file_of_another_kind_or_broken_is_refused(model, tmp_path):
    held = {1: np.ones(model.hidden_size, np.float32)}
    with pytest.raises(ArtifactError, match="architecture 'controlvector'.*is of 'llama'"):
        import_vectors(as_repeng(tmp_path / "a.gguf", held, "llama"), model, "image")
    (tmp_path / "b.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ArtifactError, match="GGUF control vector"):
        import_vectors(tmp_path / "b.gguf", model, "image")
    with pytest.raises(ArtifactError, match="vectors of 64 numbers.*made for 'mistral'"):
        import_vectors(as_repeng(tmp_path / "c.gguf", {1: np.ones(8, np.float32)}), model, "image")
    with pytest.raises(ArtifactError, match="layers 0 to 3"):
        import_vectors(as_repeng(tmp_path / "d.gguf", {7: held[1]}), model, "image")


class SteeringVector:
    """Steering-vectors' dataclass as pickle sees it."""

    def __init__(self, layer_activations: dict[int, torch.Tensor], layer_type: str = "decoder_block") -> None:
        self.layer_activations, self.layer_type = layer_activations, layer_type


SteeringVector.__module__ = "steering_vectors.steering_vector"


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch):
    import sys
    from types import ModuleType

    home = ModuleType("steering_vectors.steering_vector")
    vars(home)["SteeringVector"] = SteeringVector
    monkeypatch.setitem(sys.modules, "steering_vectors", ModuleType("steering_vectors"))
    monkeypatch.setitem(sys.modules, "steering_vectors.steering_vector", home)


@pytest.mark.parametrize("form", ["whole", "fields", "layers"])
def test_steering_vectors_files_in_all_their_forms(model, form, tmp_path, theirs):
    held = vectors(model, (1, 2))
    whole = SteeringVector(held)
    torch.save({"whole": whole, "fields": vars(whole), "layers": held}[form], tmp_path / "x.pt")
    got = import_vectors(tmp_path / "x.pt", model, "image")
    assert got.metrics["import"]["format"] == "steering-vectors"
    assert torch.equal(scores(model, got), scores(model, given_vectors(model, held, "image", positions="all")))


def test_only_blocks_outputs_come_in(model, tmp_path):
    torch.save({"layer_activations": vectors(model), "layer_type": "self_attn"}, tmp_path / "x.pt")
    with pytest.raises(ArtifactError, match="'decoder_block'.*got 'self_attn'"):
        import_vectors(tmp_path / "x.pt", model, "image")


class Trap:
    def __reduce__(self):
        return (exec, ("raise AssertionError('code in a file was run')",))


def test_code_in_a_file_is_not_run(model, tmp_path):
    torch.save(Trap(), tmp_path / "x.pt")
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Trap()))
    for name in ("x.pt", "y.pt"):
        with pytest.raises(ArtifactError, match="tensors alone"):
            import_vectors(tmp_path / name, model, "image")


def test_of_a_hotwire_matrix_the_layers_are_chosen(model, tmp_path):
    torch.save(torch.stack(list(vectors(model, (0, 1, 2, 3)).values())), tmp_path / "x.pt")
    with pytest.raises(UsageError, match="a vector for each of 4 layers"):
        import_vectors(tmp_path / "x.pt", model, "image")
    assert len(import_vectors(tmp_path / "x.pt", model, "image", layers=[1]).edits()) == 1
    torch.save(vectors(model)[2], tmp_path / "y.pt")
    with pytest.raises(UsageError, match="must be one layer"):
        import_vectors(tmp_path / "y.pt", model, "image")
    got = import_vectors(tmp_path / "y.pt", model, "image", layers=[2])
    assert torch.equal(scores(model, got), scores(model, mean(model, strength=1.0)))


def bundle(folder: Path, vector: torch.Tensor, **changes: Any) -> Path:
    """A direction as repsteer 0.2.4 saves it."""
    site = {
        "stream": "language",
        "component": "resid_post",
        "layer": 2,
        "unit": None,
        "io": "output",
        "tensor_path": [],
    }
    manifest = {
        "schema_version": "1.0",
        "artifact_type": "direction",
        "method": "diff_mean",
        "model": {"id": "Qwen/Qwen2.5-VL-3B-Instruct", "hidden_size": len(vector)},
        "site": site,
        "normalization": None,
        "tensor_keys": ["direction"],
        **changes,
    }
    files = {"manifest.json": json.dumps(manifest).encode(), "tensors.safetensors": save({"direction": vector})}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files["checksums.json"] = json.dumps({"algorithm": "sha256", "files": sums}).encode()
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_direction_of_repsteer_comes_in(model, tmp_path):
    got = import_vectors(bundle(tmp_path / "kind", vectors(model)[2]), model, "image")
    assert torch.equal(scores(model, got), scores(model, mean(model, strength=1.0)))
    assert got.metrics["import"]["notes"] == ["repsteer's method 'diff_mean'"]


def test_what_else_repsteer_saves_is_refused(model, tmp_path):
    vector = vectors(model)[2]
    with pytest.raises(ArtifactError, match="must be 'direction'.*'probe'"):
        import_vectors(bundle(tmp_path / "a", vector, artifact_type="probe"), model, "image")
    site = {"stream": "vision", "component": "resid_post", "layer": 2}
    with pytest.raises(ArtifactError, match=r"language\.resid_post"):
        import_vectors(bundle(tmp_path / "b", vector, site=site), model, "image")
    changed = bundle(tmp_path / "c", vector)
    (changed / "tensors.safetensors").write_bytes(save({"direction": vector + 1}))
    with pytest.raises(ArtifactError, match="the digest of"):
        import_vectors(changed, model, "image")


def test_what_is_no_file_of_vectors_is_said(model, tmp_path):
    with pytest.raises(ArtifactError, match="there is no"):
        import_vectors(tmp_path / "none.gguf", model, "image")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ArtifactError, match="of a known format"):
        import_vectors(tmp_path / "a.txt", model, "image")
    torch.save(torch.tensor([float("nan")] * model.hidden_size), tmp_path / "n.pt")
    with pytest.raises(ArtifactError, match="finite"):
        import_vectors(tmp_path / "n.pt", model, "image", layers=[1])


def test_the_page_has_the_table_of_formats():
    page = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text()
    assert formats_table() in page
