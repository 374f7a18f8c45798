"""The diagnosis as a study: effects worked out by hand, run folder, report and command line."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests.interference.items import mixed
from trimtab.cli import app
from trimtab.errors import RunFolderError
from trimtab.interference import CLEAN, DiagnosisConfig
from trimtab.items import Items, write_items
from trimtab.report import write_report
from trimtab.studies import read_summary, run_study
from trimtab.studies.interference import InterferencePlan, effects, worst_cases
from trimtab.testing import tiny_model


def answer(item, condition, correct, clean, followed=None, cluster=None):
    changed = None if condition == CLEAN else correct != clean
    return {
        "id": item,
        "task": "things",
        "cluster": item if cluster is None else cluster,
        "tags": ["even"] if int(item[1:]) % 2 == 0 else [],
        "way": "plain",
        "scoring": "logits",
        "relevant": "image",
        "condition": condition,
        "correct": correct,
        "collapsed": False,
        "named": -1 if followed is None else 1,
        "followed": followed,
        "changed": changed,
        "harmful": None if condition == CLEAN else clean and not correct,
        "helpful": None if condition == CLEAN else correct and not clean,
        **dict.fromkeys(("kl", "js", "tv"), None if condition == CLEAN else 0.25),
    }


CLEAN_RIGHT = [True] * 8 + [False] * 2
LIED_TO = [True] * 2 + [False] * 7 + [True]
ANSWERS = [
    *(answer(f"i{k}", CLEAN, right, right) for k, right in enumerate(CLEAN_RIGHT)),
    *(answer(f"i{k}", "lie", now, was, not now) for k, (now, was) in enumerate(zip(LIED_TO, CLEAN_RIGHT, strict=True))),
    *(answer(f"i{k}", "noise", right, right) for k, right in enumerate(CLEAN_RIGHT)),
]


def test_effects_by_hand():
    table = {(row["slice"], row["condition"]): row for row in effects(ANSWERS)}
    clean, lie, noise = (table["all", c] for c in (CLEAN, "lie", "noise"))
    assert (clean["accuracy"], lie["accuracy"], noise["accuracy"]) == (0.8, 0.3, 0.8)
    assert (lie["changed"], lie["harmful"], lie["helpful"], lie["followed"]) == (0.7, 0.6, 0.1, 0.7)
    assert lie["difference"] == pytest.approx(-0.5)
    assert lie["difference_low"] < -0.5 < lie["difference_high"]
    assert lie["p"] == pytest.approx(2 * (1 + 7) / 2**7)  # seven flips, one of them the other way
    assert lie["p_holm"] == pytest.approx(2 * lie["p"])
    assert noise["p"] == noise["p_holm"] == 1
    assert (clean["p"], clean["changed"], clean["js"], lie["js"]) == (None, None, None, 0.25)
    assert (table["tag: even", CLEAN]["n"], table["tag: even", "lie"]["accuracy"]) == (5, 0.2)
    assert lie["accuracy_low"] < 0.3 < lie["accuracy_high"]


def test_items_about_the_same_thing_count_together():
    """Ten items in five clusters: rates stay what they are, intervals and tests are those of five."""
    alike = [{**row, "cluster": f"c{int(row['id'][1:]) // 2}"} for row in ANSWERS]
    (apart, found), (one, worst) = (
        [next(r for r in effects(rows) if (r["slice"], r["condition"]) == ("all", "lie")) for rows in (ANSWERS, alike)],
        [worst_cases(rows)[0] for rows in (ANSWERS, alike)],
    )
    assert (found["accuracy"], found["difference"], found["n"], found["clusters"]) == (0.3, -0.5, 10, 5)
    assert found["p"] > apart["p"]
    assert (worst["n"], worst["clusters"], worst["always"]) == (10, 5, one["always"])
    assert worst["always_high"] > one["always_high"]


def test_a_summary_from_before_clusters_says_that_each_item_was_its_own(tmp_path):
    rows = {"effects": [{"n": 4}], "worst": [{"n": 3}], "spectrum": []}
    for old in ({"study": "interference", "schema_version": 2}, {"kind": "interference", "schema_version": 3}):
        (tmp_path / "summary.json").write_text(json.dumps(old | rows))
        found = read_summary(tmp_path, "interference")
        assert (found["effects"][0]["clusters"], found["worst"][0]["clusters"]) == (4, 3)


def test_worst_cases_by_hand():
    (row,) = worst_cases(ANSWERS)
    assert (row["clean"], row["worst"], row["condition"], row["always"], row["n"]) == (0.8, 0.3, "lie", 0.2, 10)
    assert (row["worst_n"], row["ignored"]) == (10, [])


def test_a_condition_of_other_items_is_compared_with_their_own_clean_answers():
    easy = [answer(f"i{k}", CLEAN, True, True) for k in range(10, 20)]
    (row,) = worst_cases([*ANSWERS, *easy])
    assert (row["n"], row["worst_n"], row["clean"], row["worst"]) == (20, 10, 0.8, 0.3)


def interfere(plan, out, model, items):
    return run_study(plan, out, load=lambda *_a, **_k: model, read=lambda _source: Items(items))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = tiny_model("llava", layers=2)
    plan = InterferencePlan("tiny", "made up", DiagnosisConfig(("misleading_text", "noise_image")))
    out = tmp_path_factory.mktemp("runs") / "run"
    return model, plan, interfere(plan, out, model, mixed(4))


def test_a_run_folder_holds_everything_and_is_not_computed_twice(run, monkeypatch):
    model, plan, out = run
    before = (out / "summary.json").read_bytes()
    monkeypatch.setattr("trimtab.studies.interference.study.diagnose", None)
    monkeypatch.setattr("trimtab.studies.interference.study.spectrum", None)
    assert interfere(plan, out, model, mixed(4)) == out
    assert (out / "summary.json").read_bytes() == before
    summary = read_summary(out)
    assert {row["condition"] for row in summary["spectrum"]} > {CLEAN, "shuffled_image"}
    assert summary["items"] == {"asked": 12, "skipped": []}
    assert summary["spectrum_note"] is None
    with pytest.raises(RunFolderError, match="same configuration"):
        interfere(plan, out, model, mixed(3))


def test_what_the_spectrum_leaves_out_is_noted(tmp_path):
    alike = [replace(item, question="What is it?") if item.relevant == ("image",) else item for item in mixed(4)]
    plan = InterferencePlan("tiny", "made up", DiagnosisConfig(("noise_image",)))
    summary = read_summary(interfere(plan, tmp_path / "run", tiny_model("llava", layers=2), alike))
    assert summary["spectrum_note"].startswith("for 4 of 8 items; the first: item i0: ")
    assert {row["relevant"] for row in summary["spectrum"]} == {"both"}


def test_the_report_needs_no_other_file(run):
    page = write_report(run[2]).read_text()
    assert "misleading_text" in page
    assert "data:image/png;base64," in page
    assert 'src="http' not in page
    assert sorted(p.name for p in (run[2] / "figures").iterdir()) == ["accuracy.png", "spectrum.png"]


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    import trimtab

    model = tiny_model("llava", layers=2)
    monkeypatch.setattr(trimtab, "load", lambda name: model)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    write_items(mixed(4), tmp_path / "items.jsonl")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_verb_interference(invoke, tmp_path):
    ask = ("interference", "tiny", "items.jsonl", "--condition", "misleading_text", "--condition", "noise_image")
    shown = invoke(*ask)
    assert shown.exit_code == 0, shown.output
    assert "misleading_text" in shown.stdout
    assert (tmp_path / "runs/interference/report.html").is_file()
    found = json.loads(invoke(*ask, "--scoring", "generation", "--out", "b", "--no-spectrum", "--json").stdout)
    assert {row["scoring"] for row in found["summary"]["effects"]} == {"generation"}
    wrong = invoke("interference", "tiny", "items.jsonl", "--condition", "magic")
    assert wrong.exit_code == 2


def test_the_verb_harden(invoke, tmp_path):
    ask = ("harden", "tiny", "items.jsonl", "--validation", "items.jsonl", "--steps", 2, "--evaluate-every", 2)
    shown = invoke(*ask, "--batch-size", 2, "--attack-steps", 1, "--perturbation", "misleading_text")
    assert shown.exit_code == 0, shown.output
    assert "worst" in shown.stdout
    again = json.loads(
        invoke(*ask, "--batch-size", 2, "--attack-steps", 1, "--perturbation", "misleading_text", "--json").stdout
    )
    assert again["finished"]
    assert (tmp_path / "hardened" / "adapter_model.safetensors").is_file()
    assert invoke(*ask, "--consistency", "cosine").exit_code == 2
