"""Artifacts that were tampered with, cut off, or watched while they are replaced."""

import hashlib
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.steering.conftest import quick
from tests.steering.items import train_items
from trimtab.errors import ArtifactError, UsageError
from trimtab.models import Model
from trimtab.steering import TrainingSet, load_steering
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def one() -> Model:
    """A model for what does not depend on the family."""
    return tiny_model("llava", layers=2, check=False)


@pytest.fixture(scope="module")
def fitted(one: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts of several methods, not to be changed."""
    home = tmp_path_factory.mktemp("fitted")
    items = TrainingSet(one, train_items())
    for name in ("l2s", "mean", "mahalanobis", "vdd", "autotrim"):
        quick(name).fit(one, items).save(home / name)
    return home


def copied(fitted: Path, name: str, to: Path) -> Path:
    return Path(shutil.copytree(fitted / name, to / name))


def change(saved: Path, **fields) -> None:
    """Change an artifact's configuration, as a tool might."""
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | fields))


def put(saved: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Put other weights into an artifact, digest and all."""
    save_file(tensors, saved / "weights.safetensors")
    digests = json.loads((saved / "config.json").read_text())["digests"]
    found = hashlib.sha256((saved / "weights.safetensors").read_bytes()).hexdigest()
    change(saved, digests=digests | {"weights.safetensors": found})


def test_negated_weights_are_refused_by_their_digest(fitted: Path, one: Model, tmp_path: Path):
    saved = copied(fitted, "l2s", tmp_path)
    tensors = load_file(saved / "weights.safetensors")
    save_file({name: -t for name, t in tensors.items()}, saved / "weights.safetensors")
    with pytest.raises(ArtifactError, match="by its digest"):
        load_steering(saved, one)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("l2s", {"layer": True}, "`layer`.*True"),
        ("l2s", {"layer": 1.0}, "`layer`.*1.0"),
        ("l2s", {"layer": 10**30}, "`layer`"),
        ("l2s", {"schema_version": True}, "schema_version"),
        ("l2s", {"strength": True}, "`strength`"),
        ("l2s", {"strength": 1e30}, "`strength`.*1e\\+30"),
        ("l2s", {"strength": float("nan")}, "config.json.*broken"),
        ("l2s", {"strength": 10**400}, "`strength`"),
        ("l2s", {"method": "mean"}, "weights.safetensors.*'mean'"),
        ("mean", {"method": "l2s"}, "weights.safetensors.*'l2s'"),
        ("l2s", {"surprise": 1}, "no fields but.*surprise"),
        ("l2s", {"digests": None}, "`digests`"),
        ("l2s", {"digests": {}}, "by its digest"),
        ("mahalanobis", {"chooser": None}, "tensors of a chooser"),
        ("mahalanobis", {"chooser": {"kind": "mahalanobis", "radius": True, "max_strength": 1.0}}, "'radius' must be"),
        ("mahalanobis", {"chooser": {"kind": "mahalanobis", "radius": 1.0}}, "the field 'max_strength'"),
        ("mahalanobis", {"chooser": {"kind": ["mahalanobis"]}}, "`chooser`"),
        ("vdd", {"contrast": {"kind": "contrast", "modality": "sound"}}, "'modality' must be of type"),
        ("vdd", {"contrast": {"kind": "boost", "modality": "image", "first_layer": 99, "layers": 2}}, "'first_layer'"),
        ("vdd", {"contrast": {}}, "`contrast`"),
    ],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_refused_in_one_sentence(fitted, one, tmp_path, name, fields, message):
    saved = copied(fitted, name, tmp_path)
    change(saved, **fields)
    with pytest.raises(ArtifactError, match=message) as caught:
        load_steering(saved, one)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tensor", "wrong", "message"),
    [
        *[("l2s", name, float("nan"), f"'{name}'.*finite") for name in ("w_in", "b_in", "w_out", "b_out")],
        ("l2s", "w_out", float("inf"), "'w_out'.*finite"),
        ("mean", "vector", float("-inf"), "'vector'.*finite"),
        ("mahalanobis", "chooser.whiten", float("nan"), "'chooser.whiten'.*finite"),
    ],
)
def test_a_number_that_is_not_finite_is_refused(fitted, one, tmp_path, name, tensor, wrong, message):
    saved = copied(fitted, name, tmp_path)
    tensors = load_file(saved / "weights.safetensors")
    tensors[tensor].view(-1)[0] = wrong
    put(saved, tensors)
    with pytest.raises(ArtifactError, match=message):
        load_steering(saved, one)


def test_numbers_that_are_not_finite_are_not_saved(fitted, one, tmp_path):
    artifact = load_steering(fitted / "mean", one)
    assert isinstance(artifact.direction, torch.Tensor)
    with pytest.raises(ArtifactError, match="'vector'.*finite"):
        replace(artifact, direction=artifact.direction * float("nan")).save(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    saved = replace(artifact, metrics={"loss": float("nan")}).save(tmp_path / "a")
    assert load_steering(saved, one).metrics == {"loss": None}
    with pytest.raises(ArtifactError, match="`options` and `metrics`.*plain data"):
        replace(artifact, options={"where": Path("x")}).save(tmp_path / "b")


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float8_e4m3fn])
def test_tensors_of_another_type_are_refused(fitted, one, tmp_path, dtype):
    saved = copied(fitted, "mean", tmp_path)
    put(saved, {"vector": load_file(saved / "weights.safetensors")["vector"].to(dtype)})
    with pytest.raises(ArtifactError, match="floating-point numbers"):
        load_steering(saved, one)


def test_a_chooser_of_another_size_is_refused(fitted, one, tmp_path):
    saved = copied(fitted, "mahalanobis", tmp_path)
    tensors = load_file(saved / "weights.safetensors")
    put(saved, tensors | {"chooser.center": torch.zeros(7)})
    with pytest.raises(ArtifactError, match="'center' must have the hidden size 64"):
        load_steering(saved, one)


@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_what_is_no_plain_file_is_not_read(fitted, one, tmp_path, name):
    for number, make in enumerate((lambda p: p.symlink_to("/dev/zero"), os.mkfifo, lambda p: p.mkdir(), huge)):
        saved = copied(fitted, "l2s", tmp_path / str(number))
        (saved / name).unlink()
        make(saved / name)
        with pytest.raises(ArtifactError, match=f"{name}.*readable file"):
            load_steering(saved, one)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize("text", ["[" * 200_000, "[1]", "", '{"schema_version": ' + "1" * 5000 + "}"])
def test_a_configuration_that_is_none(fitted, one, tmp_path, text):
    saved = copied(fitted, "l2s", tmp_path)
    (saved / "config.json").write_text(text)
    with pytest.raises(ArtifactError, match="must be"):
        load_steering(saved, one)


def test_a_missing_file_is_called_missing_and_not_broken(fitted, one, tmp_path):
    saved = copied(fitted, "l2s", tmp_path)
    (saved / "config.json").unlink()
    with pytest.raises(ArtifactError, match="No such file") as caught:
        load_steering(saved, one)
    assert "JSON" not in str(caught.value)


def test_artifacts_of_the_first_schema_load(fitted, one, tmp_path):
    saved = copied(fitted, "l2s", tmp_path)
    config = json.loads((saved / "config.json").read_text())
    del config["digests"], config["fitted_items"]
    (saved / "config.json").write_text(json.dumps(config | {"schema_version": 1}))
    assert load_steering(saved, one).method == "l2s"


def test_artifacts_saved_under_earlier_names_of_fields_load(fitted, one, tmp_path):
    saved, earlier = copied(fitted, "mahalanobis", tmp_path), {"max_strength": "most"}
    kept = json.loads((saved / "config.json").read_text())["chooser"]
    change(saved, chooser={earlier.get(name, name): value for name, value in kept.items()}, without=None)
    first, again = (load_steering(folder, one).chooser for folder in (fitted / "mahalanobis", saved))
    assert first is not None
    assert again is not None
    assert again.config() == first.config()
    saved = copied(fitted, "mean", tmp_path)
    for kept, found in ((None, ()), ("text", ("text",)), (["text", "audio"], ("text", "audio"))):
        change(saved, without=kept)
        assert load_steering(saved, one).without == found
    for wrong in ("smell", ["smell"], [["text"]]):
        change(saved, without=wrong)
        with pytest.raises(ArtifactError, match="`without` of artifact .* must be some of image, text"):
            load_steering(saved, one)


def test_a_readers_own_readme_is_not_overwritten(fitted, one, tmp_path):
    artifact = load_steering(fitted / "mean", one)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my notes")
    with pytest.raises(UsageError, match="something else"):
        artifact.save(tmp_path / "mine")
    saved = artifact.save(tmp_path / "saved")
    (saved / "README.md").write_text("my notes on this artifact")
    with pytest.raises(UsageError, match="README.md, which was changed"):
        artifact.save(saved)
    assert (saved / "README.md").read_text() == "my notes on this artifact"


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_reader_never_meets_half_an_artifact(fitted, one, tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr("trimtab.files.exchange", lambda *_: False)
    first, second = (load_steering(fitted / name, one) for name in ("l2s", "mean"))
    first.save(tmp_path / "live")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for artifact in (second, first):
                artifact.save(tmp_path / "live")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = {load_steering(tmp_path / "live", one).method for _ in range(60)}
    finally:
        stop.set()
        writer.join()
    assert found <= {"l2s", "mean"}
    assert [p.name for p in tmp_path.iterdir()] == ["live"]


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("at", range(1, 4))
def test_a_crash_while_replacing_leaves_the_old_or_the_new(fitted, one, tmp_path, exchanges, at):
    load_steering(fitted / "l2s", one).save(tmp_path / "a")
    new = load_steering(fitted / "mean", one)
    child = os.fork()
    if child == 0:
        die_at_rename(at, exchanges)
        new.save(tmp_path / "a")
        os._exit(0)
    os.waitpid(child, 0)
    assert load_steering(tmp_path / "a", one).method in ("l2s", "mean")
    new.save(tmp_path / "a")
    assert load_steering(tmp_path / "a", one).method == "mean"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def die_at_rename(at: int, exchanges: bool) -> None:
    """End this process, as a kill would, right after its rename of that number."""
    import trimtab.files as files

    count = [0]

    def counted(function):
        def call(*arguments):
            found = function(*arguments)
            count[0] += 1
            if count[0] == at:
                os._exit(9)
            return found

        return call

    Path.rename = counted(Path.rename)  # pyright: ignore[reportAttributeAccessIssue]
    files.exchange = counted(files.exchange) if exchanges else lambda *_: False


def test_prints_in_one_line(fitted, one):
    for path in fitted.iterdir():
        text = repr(load_steering(path, one))
        assert text == str(load_steering(path, one))
        assert len(text) < 160
        assert "tensor(" not in text
    assert repr(load_steering(fitted / "mean", one)).startswith("Artifact('mean' toward the image, on tiny-llava, ")


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 1e30, True, "1"])
def test_a_strength_that_is_none_is_refused(fitted, one, strength):
    artifact = load_steering(fitted / "mean", one)
    with pytest.raises(UsageError, match="`strength` of artifact 'mean' must be a number"):
        artifact.with_strength(strength)
    with pytest.raises(UsageError, match="`strength` of artifact 'mean' must be a number"):
        artifact.edits(strength)


def test_an_artifact_knows_the_items_it_was_fitted_on(fitted, one):
    items = train_items()
    artifact = load_steering(fitted / "mean", one)
    assert all(artifact.fitted_on(item) for item in items)
    assert not artifact.fitted_on(replace(items[0], id="another"))
    assert not load_steering(fitted / "vdd", one).fitted_on(items[0])


def test_tensors_of_wrong_shape_are_refused(fitted, one, tmp_path):
    saved = copied(fitted, "l2s", tmp_path)
    put(saved, {**load_file(saved / "weights.safetensors"), "w_out": torch.zeros(3, 3)})
    with pytest.raises(ArtifactError, match="w_out.*hidden size 64"):
        load_steering(saved, one)
