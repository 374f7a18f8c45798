"""Every verb on a model that hears and reads and has no eyes: a folder, files of items, files of sounds."""

import json
from pathlib import Path

import pytest
from tests.models.folders import save

from trimtab.circuits import Edge, build_cases, knockout
from trimtab.items import read_items
from trimtab.media.waves import write_wave
from trimtab.testing import melody, tiny_model

OPTIONS = ["one", "two", "happy"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hearing")
    save(tiny_model("qwen2_audio", check=False), folder / "model")
    rows = []
    for i in range(12):
        sound = melody(i, 1.0, 44100)
        (folder / f"{i}.wav").write_bytes(write_wave(sound.samples, sound.rate))
        told = {"context": f"There is one dog, {i}.", "answer_text": "one"}
        rows.append({"id": f"i{i}", "task": "things", "question": "What is it?", "audio": f"{i}.wav", **told})
    _write(folder / "conflict.jsonl", [{**row, "answer_audio": "two"} for row in rows])
    for name in ("audio", "text"):
        bare = [{key: value for key, value in row.items() if key != "answer_text"} for row in rows[:4]]
        said = {"choices": OPTIONS, "relevant": name}
        _write(folder / f"{name}.jsonl", [{**r, **said, f"answer_{name}": OPTIONS[i % 3]} for i, r in enumerate(bare)])
    return folder


def _write(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def run(invoke, work):
    def call(verb, *arguments):
        result = invoke(verb, *arguments, "--dtype", "float32", "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


def test_check_finds_that_every_job_works(run, work):
    found = run("check", work / "model", work / "conflict.jsonl", "--limit", 4)
    assert {job["status"] for job in found["jobs"]} == {"works"}
    assert found["prompts"]["image_tokens"]["most"] == 0


def test_contribution_of_a_sound_and_a_text(run, work):
    found = run("measure", work / "model", work / "conflict.jsonl", "--limit", 2)
    assert all(0 < row["share_audio"] < 1 for row in found["items"])


def test_a_mean_vector_toward_the_sound(run, work):
    model, data = work / "model", work / "conflict.jsonl"
    artifact = run("fit", "mean", model, data, "--target", "audio", "--layer", 1, "--limit", 4)["artifact"]
    found = run("evaluate", model, data, "--artifact", artifact, "--limit", 2)
    assert {row["method"] for row in found["rates"]} == {"none", "instruction", "mean"}
    ask = ("generate", model, "--audio", work / "0.wav", "--question", "What is it?", "--max-new-tokens", 4)
    plain = run(*ask)
    assert run(*ask, "--artifact", artifact, "--strength", 0)["tokens"] == plain["tokens"]
    assert run(*ask, "--artifact", artifact, "--strength", 9)["tokens"] != plain["tokens"]


@pytest.mark.parametrize(
    ("relevant", "beside"),
    [("text", {"silent_audio", "noise_audio", "own_audio", "other_audio"}), ("audio", {"misleading_text"})],
)
def test_what_does_not_matter_is_perturbed_and_no_picture_is_put_beside(run, work, relevant, beside):
    found = run("interference", work / "model", work / f"{relevant}.jsonl", "--out", relevant)
    conditions = {row["condition"] for row in found["summary"]["effects"]}
    assert beside <= conditions
    assert not [name for name in conditions if name.endswith(("_image", "_video"))]
    assert Path(found["report"]).is_file()


def test_hardened_against_sounds_that_do_not_matter(run, work):
    options = ("--steps", 1, "--batch-size", 1, "--rank", 2)
    found = run("harden", work / "model", work / "text.jsonl", *options, "--out", "hardened")
    assert run("generate", found["folder"], "--audio", work / "0.wav", "--question", "What?", "--max-new-tokens", 2)


def test_circuits_of_a_sound_against_a_text(run, work):
    options = ("--limit", 12, "--flow-items", 1, "--window", 1, "--max-new-tokens", 1)
    found = run("circuits", work / "model", work / "conflict.jsonl", *options, "--out", "circuits")
    assert [row["target"] for row in found["summary"]["baseline"]] == ["text", "audio"]
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "a text and a sound" in page


def test_items_with_pictures_are_refused(invoke, work):
    result = invoke("measure", work / "model", "pocket-mc2:test", "--dtype", "float32", "--limit", 12)
    assert result.exit_code != 0
    assert "got image; leave it out, or load another model" in " ".join(result.output.split())


def test_edges_from_a_sound_are_cut(work):
    model = tiny_model("qwen2_audio")
    cases = build_cases(model, read_items(work / "conflict.jsonl")[:3])
    table = knockout(model, cases, [Edge("audio to last", ("audio",), ("last",))])
    assert set(table["edge"]) == {"audio to last"}
    assert table.select_dtypes("number").abs().to_numpy().max() > 0
