import json
from functools import partial

import pytest
from pandas import read_parquet
from PIL import Image
from tests.conflicts import make_items

import trimtab.studies
from trimtab.items import Items, valid_answers
from trimtab.models import LoadReport
from trimtab.studies import SCHEMA_VERSION, Plan, choose_items, run_study
from trimtab.testing import picture


def answer(result) -> dict:
    """What a verb printed with --json; stdout must hold that alone."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_measure(invoke, data, tmp_path):
    found = answer(invoke("measure", "tiny", data, "--limit", 4, "--out", "scores.parquet", "--json"))
    assert len(found["items"]) == 4
    assert found["ratios"][-1]["task"] == "all"
    assert len(read_parquet(tmp_path / "scores.parquet")) == 4
    shown = invoke("measure", "tiny", data, "--limit", 2, "--instruction", "image")
    assert "Visual ratio" in shown.stdout


def test_fit_then_evaluate_then_generate(invoke, data, tmp_path):
    fitted = answer(invoke("fit", "mean", "tiny", data, "--target", "image", "--layer", 1, "--json"))
    assert (fitted["layer"], fitted["target"]) == (1, "image")
    folder = fitted["artifact"]

    found = answer(
        invoke("evaluate", "tiny", data, "--artifact", folder, "--strength", 2, "--out", "a.parquet", "--json")
    )
    totals = [r for r in found["rates"] if r["task"] == "all"]
    assert [(r["method"], r["strength"]) for r in totals] == [
        ("none", 0.0),
        ("instruction", 1.0),
        ("mean", 1.0),
        ("mean", 2.0),
    ]
    assert found["receipt"][0]["prompt_positions"] == 12
    assert len(read_parquet(tmp_path / "a.parquet")) == 24
    assert "following" in invoke("evaluate", "tiny", data, "--artifact", folder).stdout

    picture().save(tmp_path / "p.png")
    ask = ("generate", "tiny", "--image", "p.png", "--question", "What is it?", "--context", "A dog.")
    plain = answer(invoke(*ask, "--json"))
    zero = answer(invoke(*ask, "--artifact", folder, "--strength", 0, "--json"))
    steered = answer(invoke(*ask, "--artifact", folder, "--strength", 50, "--json"))
    assert plain["tokens"] == zero["tokens"] != steered["tokens"]
    assert steered["receipt"][0]["layer"] == 1
    assert invoke(*ask, "--instruction", "image").exit_code == 0


def test_fit_chooses_on_validation_items(invoke, data):
    found = answer(
        invoke(
            *("fit", "mean", "tiny", data, "--target", "text", "--validation", data),
            *("--layer", 0, "--layer", 1, "--strength", 1, "--strength", 2, "--json"),
        )
    )
    assert len(found["metrics"]["grid"]) == 4


def test_models(invoke, model):
    listed = answer(invoke("models", "list", "--json"))
    assert [m["name"] for m in listed["bundled"]] == ["pocket-llava", "pocket-qwen", "smol-llava"]
    families = {family["name"]: family for family in listed["families"]}
    assert families["qwen2_audio"]["shown"] == ["audio"]
    assert families["llava"]["checkpoints"] == ["llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-13b-hf"]
    assert families["llava"]["refused"] == {}
    assert "see each other" in families["paligemma"]["refused"]["contribution"]
    assert "cross-attention" in listed["refused"]["mllama"]
    shown = answer(invoke("models", "show", "tiny", "--json"))
    assert (shown["fingerprint"], shown["layers"], shown["self_check"]) == (model.fingerprint, 2, "passed")
    assert shown["loading"]["tensors"] == model.report.tensors > 0


def test_models_show_what_loading_found(invoke, model, monkeypatch):
    report = LoadReport(
        dtype="bfloat16",
        dtype_stored="float16",
        why_dtype="processors compute float16 slowly",
        max_pixels=1_003_520,
        photo_tokens=1230,
        overridden={"do_sample": True, "temperature": 0.1},
        quantization="fp8",
        shards=2,
        tensors=729,
        adapters=("first", "second"),
        notes=("One file was odd.",),
    )
    monkeypatch.setattr(model, "report", report)
    loading = answer(invoke("models", "show", "tiny", "--json"))["loading"]
    assert loading["overridden"] == {"do_sample": True, "temperature": 0.1}
    assert (loading["adapters"], loading["notes"]) == (["first", "second"], ["One file was odd."])
    shown = " ".join(invoke("models", "show", "tiny").stdout.split())
    for said in (
        "729 from 2 files",
        "float16; runs in bfloat16: processors compute float16 slowly",
        "1,003,520",
        "1,230 positions",
        "do_sample True, temperature 0.1",
        "fp8",
        "first, second",
        "One file was odd.",
    ):
        assert said in shown, said


def test_data(invoke, data, tmp_path):
    shown = answer(invoke("data", "show", data, "--json"))
    assert shown["tasks"] == {"color": 3, "counting": 3}
    assert answer(invoke("data", "export", data, "some.parquet", "--limit", 2, "--json"))["items"] == 2
    assert answer(invoke("data", "export", data, "sheet.png", "--json"))["items"] == 6
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_items_are_shown_with_an_answer_for_each_modality(invoke, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    row = {"id": "1", "task": "animals", "question": "Which?", "image": "cat.png", "answer_image": "cat"}
    own = tmp_path / "sounds.jsonl"
    own.write_text(json.dumps(row | {"relevant": "image", "answer_audio": "bird"}) + "\n")
    shown = invoke("data", "show", own).stdout
    assert "answer by the image" in shown
    assert "answer by the audio" in shown
    assert "bird" in shown
    assert "answer by the text" not in shown


def test_skipped_rows_are_counted(invoke, data):
    data.write_text(data.read_text() + '{"id": "broken"}\n')
    result = invoke("data", "show", data, "--json")
    assert len(answer(result)["skipped"]) == 1
    assert "1 of 7 rows skipped" in result.stderr


@pytest.fixture
def small_demo(monkeypatch, model):
    """The demo on a tiny model and a few items."""
    plan = Plan(
        name="tiny",
        models=("tiny",),
        train_items=6,
        validation_items=2,
        test_items=4,
        sweep_items=2,
        contribution_items=2,
        depths=(0.5,),
        strengths=(1.0,),
    )

    def read(source: str) -> Items:
        return make_items(source.partition(":")[2])

    monkeypatch.setattr(trimtab.studies, "FAST", plan)
    monkeypatch.setattr(trimtab.studies, "run_study", partial(run_study, load=lambda _name: model, read=read))


def test_a_study_from_its_file(invoke, small_demo, tmp_path):
    (tmp_path / "ours.yaml").write_text(
        "models: [tiny]\nmethods: [none, mean_items]\nvariants:\n  mean_items: {method: mean, norm: items}\n"
        "protocols: [open, single]\ntrain_items: 4\nvalidation_items: 2\ntest_items: 4\nsweep_items: 2\n"
        "contribution_items: 2\ndepths: [0.5]\nstrengths: [1.0]\n"
    )
    found = answer(invoke("study", "ours.yaml", "--json"))
    assert found["run"].endswith("ours")
    assert {r["method"] for r in found["summary"]["rows"]} == {"none", "mean_items"}
    assert {r["protocol"] for r in found["summary"]["rows"]} == {"open", "single"}


def test_fit_takes_options_and_generate_any_method(invoke, data, tmp_path):
    options = (
        "--option",
        "base=l2s",
        "--layer",
        0,
        "--layer",
        1,
        "--option",
        "network={width: 4, epochs: 2}",
        "--json",
    )
    fitted = answer(invoke("fit", "autotrim", "tiny", data, "--target", "image", *options))
    assert set(fitted["metrics"]["train"]["layers"]) == {"0", "1"}
    picture().save(tmp_path / "p.png")
    ask = ("generate", "tiny", "--image", "p.png", "--question", "What is it?", "--context", "A dog.", "--json")
    assert "answer" in answer(invoke(*ask, "--artifact", fitted["artifact"]))
    contrast = answer(invoke("fit", "vdd", "tiny", data, "--target", "text", "--json"))
    assert "answer" in answer(invoke(*ask, "--artifact", contrast["artifact"], "--strength", 0.5))


def test_demo_and_report(invoke, small_demo, tmp_path):
    shown = invoke("demo", "--fast", "--out", "run")
    assert shown.exit_code == 0, shown.output
    assert "AMPS minus L2S" in shown.stdout
    assert str(tmp_path / "run" / "report.html") in str(tmp_path / shown.stdout.split("Report: ")[1].strip())
    again = answer(invoke("demo", "--fast", "--out", "run", "--json"))
    assert again["summary"]["schema_version"] == SCHEMA_VERSION
    assert answer(invoke("report", "run", "--json"))["report"].endswith("report.html")
    refused = invoke("demo", "--fast", "--out", "run", "--seed", 7)
    assert refused.exit_code == 1
    assert "choose another folder" in refused.stderr


def test_view_serves_until_it_is_stopped(invoke, tmp_path, monkeypatch):
    from trimtab.viewing import Server

    def served(server: Server) -> None:
        assert server.site.answer("/").status == 200
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "serve_forever", served)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.yaml").write_text("kind: steering\n")
    found = invoke("view", "runs", "--port", 0, "--no-open")
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith(f"1 run of {tmp_path / 'runs'}: http://127.0.0.1:")
    assert "Stopped." in found.stderr
    told = json.loads(invoke("view", "runs", "--port", 0, "--json", "--quiet").stdout)
    assert (told["runs"], told["folder"]) == (1, str(tmp_path / "runs"))
    alone = invoke("view", "runs", "--images", ".")
    assert "`--images` of view must come with `--data`" in alone.stderr


def test_play_serves_until_it_is_stopped(invoke, monkeypatch):
    from trimtab.cli import play
    from trimtab.web import server

    asked = []

    def served(playground, door) -> None:
        asked.append((playground, door.getsockname()[0]))

    monkeypatch.setattr(play, "check_package", lambda *_: None)
    monkeypatch.setattr(server, "serve", served)
    told = answer(invoke("play", "tiny", "--port", 0, "--out", "items.jsonl", "--json"))
    assert told["address"].startswith("http://127.0.0.1:")
    ((playground, address),) = asked
    assert ([*playground.ways][:1], str(playground.kept), address) == (
        ["autotrim, toward the image"],
        "items.jsonl",
        "127.0.0.1",
    )
    everybody = invoke("play", "tiny", "--port", 0, "--host", "0.0.0.0", "--no-open")
    assert "Everybody in this network can ask, too: there is no password." in everybody.stderr
    assert "an IPv4 address of this machine" in invoke("play", "tiny", "--host", "elsewhere.example").stderr
    assert "ends in .jsonl" in invoke("play", "tiny", "--out", "items.parquet").stderr


def test_what_a_limit_leaves_out_stays_a_valid_answer(invoke, data, monkeypatch):
    told: dict = {}
    plain = trimtab.studies.evaluate

    def kept(*args, **options):
        told.update(options)
        return plain(*args, **options)

    monkeypatch.setattr(trimtab.studies, "evaluate", kept)
    answer(invoke("evaluate", "tiny", data, "--limit", 2, "--json"))
    assert told["valid"] == valid_answers(trimtab.read_items(data))
    assert told["valid"] != valid_answers(choose_items(trimtab.read_items(data), 2, 0))
