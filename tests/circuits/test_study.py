"""The whole study on the planted circuit: it finds the circuit, resumes, and writes its page."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pandas import read_parquet

from tests.circuits.conftest import conflict
from tests.contribution.items import conflict_items, image
from trimtab.circuits import load_heads
from trimtab.errors import RunFolderError, UsageError
from trimtab.items import Item, Items
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.report import write_report
from trimtab.studies import read_summary, run_study
from trimtab.studies.circuits import CircuitsPlan, answer_claims
from trimtab.studies.circuits.study import further_items
from trimtab.testing import tiny_model
from trimtab.testing.planted_circuit import COLOURS, CONTEXT, QUESTION, ROUTING_HEAD, colour_picture, planted_circuit

TOLD: dict[Modality, str] = {"image": "trust the picture .", "text": "trust the passage ."}
"""MC2's instructions in the words that the planted circuit knows."""

PLAN = CircuitsPlan(
    model="planted-circuit",
    data="planted",
    seed=2,
    score_items=8,
    validation_items=4,
    test_items=8,
    flow_items=7,
    window=1,
    share=0.05,
    shares=(0.1,),
    factors=(2.0, 4.0),
    random_sets=1,
    instructions=TOLD,
    max_new_tokens=2,
)


def items():
    pairs = [(a, b) for step in (1, 2, 3, 4) for a, b in zip(COLOURS, COLOURS[step:] + COLOURS[:step], strict=True)]
    return [
        conflict(f"{number}", colour_picture(seen), QUESTION, CONTEXT.format(told), (seen, told))
        for number, (seen, told) in enumerate(pairs)
    ]


def explain(plan: CircuitsPlan, out: Path, model: Model, items: list[Any]) -> Path:
    return run_study(plan, out, load=lambda *_a, **_k: model, read=lambda _source: Items(items))


@pytest.fixture(scope="module")
def model() -> Model:
    """The planted circuit, told what to follow by the words of MC2's instructions that it knows."""
    return planted_circuit()


@pytest.fixture(scope="module")
def run(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = explain(PLAN, tmp_path_factory.mktemp("study") / "run", model, items())
    before = (folder / "summary.json").read_bytes()
    assert explain(PLAN, folder, model, items()) == folder
    assert (folder / "summary.json").read_bytes() == before
    (folder / "steps" / "lens.parquet").unlink()
    explain(PLAN, folder, model, items())
    assert (folder / "summary.json").read_bytes() == before
    with pytest.raises(RunFolderError, match="same configuration"):
        explain(replace(PLAN, window=3), folder, model, items())
    return folder


def test_it_chooses_the_routing_head_and_blocks_following(run, model):
    summary = read_summary(run)
    assert [set(row) for row in summary["patching"]["pairs"]] == [
        {"donor", "refused", "pairs", "agreed", "follow_both"}
    ] * 2
    assert summary["choice"]["heads"] == [list(ROUTING_HEAD)]
    assert summary["choice"]["roles"] == ["router"]
    rates = {(r["condition"], r["measure"]): r["rate"] for r in summary["rates"]}
    assert rates["intact", "following"] == 1.0
    assert rates["blocked", "image"] == 0.0
    assert rates["intact", "text only"] == rates["blocked", "text only"]
    assert {"direct", "gradient", "causal", "patching"} == {c["score"] for c in summary["choices"]}
    heads = load_heads(run / "artifacts" / "heads-image", model)
    assert heads.heads == (ROUTING_HEAD,)
    assert (heads.instruction, heads.placement) == (TOLD["image"], "before_question")


def test_instructions_of_its_own_stand_where_the_plan_says_and_name_every_modality():
    plan = replace(PLAN, placement="after_question")
    assert plan.task.instruction("text", ("image", "text")) == TOLD["text"]
    assert plan.task.placement == plan.resolved()["placement"] == "after_question"
    with pytest.raises(UsageError, match="a sentence for each modality"):
        replace(PLAN, instructions={"image": "trust the picture ."})


def test_claims_have_rules_evidence_and_a_verdict(run):
    summary = read_summary(run)
    assert len(summary["claims"]) == 8
    assert {claim["verdict"] for claim in summary["claims"]} <= {"yes", "no", "unclear", "too few items"}
    assert [claim._asdict() for claim in answer_claims(summary)] == summary["claims"]
    claims = {claim["claim"]: claim for claim in summary["claims"]}
    direct = next(claim for name, claim in claims.items() if "direct path" in name)
    assert direct["verdict"] == "yes"
    assert direct["items"] == PLAN.flow_items
    sparse = next(claim for name, claim in claims.items() if "carry following" in name)
    assert "of what is above one half is lost" in sparse["evidence"]
    kept = next(claim for name, claim in claims.items() if "preserves" in name)
    assert kept["verdict"] == "too few items"
    assert f"where at least {kept['needed']} are needed" in kept["evidence"]


def test_abilities_are_compared_on_further_items_that_no_choice_has_seen(run):
    summary = read_summary(run)
    (further,) = (run / "steps").glob("abilities-*.parquet")
    asked, tested = read_parquet(further), read_parquet(run / "steps" / "test-000.parquet")
    others = ("baseline", "choose-score-000", "choose-strength-000")
    seen = [*tested["id"], *(i for step in others for i in read_parquet(run / "steps" / f"{step}.parquet")["id"])]
    assert len(asked)
    assert not set(asked["id"]) & set(seen)
    assert set(asked["condition"]) == {"intact", "blocked"}
    assert set(asked["measure"]) == set(summary["abilities"])
    items_asked = {*tested["id"], *asked["id"]}
    assert {row["n"] for row in summary["ability_changes"]} == {len(items_asked)}
    kept = next(claim for claim in summary["claims"] if "preserves" in claim["claim"])
    assert f"of {len(items_asked)} items" in kept["evidence"]
    rates = {(r["condition"], r["measure"]): r["n"] for r in summary["rates"]}
    assert rates["blocked", "text only"] == PLAN.test_items


def test_further_items_are_taken_until_each_ability_has_enough():
    def item(number: int, context: str) -> Item:
        return conflict(f"{number}", colour_picture(COLOURS[0]), QUESTION, context, (COLOURS[0], COLOURS[1]))

    plain, agreeing = "it is another", CONTEXT.format(COLOURS[1])  # only where the answer stands can it be replaced
    tested, others = [item(0, plain), item(1, agreeing)], [item(n, (agreeing, plain)[n % 3 > 0]) for n in range(2, 12)]
    assert [found.id for found in further_items(tested, others, 2)] == ["3"]
    assert [found.id for found in further_items(tested, others, 3)] == ["2", "3", "6"]
    assert further_items(tested, others, 1) == []
    assert further_items(tested, others, 99) == others


def test_the_flow_is_read_on_the_first_items_that_follow(run):
    asked, cut = (read_parquet(run / "steps" / f"{step}.parquet")["id"] for step in ("baseline", "flow-image-to-last"))
    assert list(cut.unique()) == list(asked.unique())[: PLAN.flow_items]


def test_a_model_that_follows_one_instruction_only_gets_no_flow(tmp_path):
    folder = explain(PLAN, tmp_path / "run", planted_circuit(routing=0.3), items())
    summary = read_summary(folder)
    assert summary["flow"] == []
    assert summary["scored"] == {"cases": 16, "follow_both": False}
    assert "patching" not in {choice["score"] for choice in summary["choices"]}
    claims = {claim.claim: claim for claim in answer_claims(summary)}
    few = [claim for claim in claims.values() if "no item follows both" in claim.evidence]
    assert [claim.verdict for claim in few] == ["too few items", "too few items"]
    sparse = next(claim for name, claim in claims.items() if "carry following" in name)
    assert sparse.verdict == "unclear"
    assert "something above one half to lose is not shown" in sparse.evidence
    assert write_report(folder).is_file()


def test_where_no_item_follows_both_pictures_are_patched_into_cases_that_are_answered_from_them(tmp_path):
    deaf = replace(PLAN, instructions=dict.fromkeys(TOLD, TOLD["image"]))
    folder = explain(deaf, tmp_path / "run", planted_circuit(), items())
    found = read_summary(folder)["patching"]
    donors = {row["donor"]: row for row in found["pairs"]}
    assert donors["instruction"]["pairs"] == 0
    assert donors["image"]["pairs"] == 2 * PLAN.flow_items
    assert not donors["image"]["follow_both"]
    flips = {(row["part"], row["layer"]): row["flips"] for row in found["curves"]}
    assert flips["shown", 0] == 1
    assert "answered from that medium" in write_report(folder).read_text()


def test_patching_finds_where_the_planted_answer_is_and_which_heads_override(run):
    found = read_summary(run)["patching"]
    pairs = {row["donor"]: (row["pairs"], row["agreed"], row["refused"]) for row in found["pairs"]}
    cases = 2 * PLAN.flow_items
    assert pairs["instruction"] == (cases, 0, None)
    assert pairs["image"] == (cases, cases // 2, None)  # where the passage is named, another picture changes nothing
    flips = {(r["donor"], r["part"], r["layer"]): r["flips"] for r in found["curves"]}
    assert [flips["image", "shown", layer] for layer in range(6)] == [1, 0, 0, 0, 0, 0]
    assert [flips["image", "instruction", layer] for layer in range(6)] == [0, 1, 1, 1, 0, 0]
    assert [flips["image", "last", layer] for layer in range(6)] == [0, 0, 0, 0, 1, 1]
    assert {r["median"] for r in found["crossovers"]} == {ROUTING_HEAD[0]}
    (head,) = found["overrides"]
    assert (head["layer"], head["head"], head["works_by"]) == (*ROUTING_HEAD, "writing")
    ablated = {(r["heads"], r["target"]): (r["flips"], r["random"]) for r in found["ablation"]}
    assert ablated["promoting", "image"][0] == 1.0
    assert ablated["promoting", "text"][0] == 0.0
    assert ablated["promoting", "image"][1] < 0.2
    known = {(r["target"], r["predictor"]): r["rho"] for r in found["foretelling"]}
    assert known["all", "named"] == pytest.approx(1.0)  # it follows both instructions always
    assert known["image", "final"] is None


def test_the_page_needs_no_other_file(run):
    page = write_report(run)
    text = page.read_text(encoding="utf-8")
    assert 'src="data:image/png;base64,' in text
    assert "http://" not in text
    assert "router" in text
    assert text.count("Half a band is") + text.count("No curve has a band") == 4  # flow, lens, layers, patching
    assert sorted(p.name for p in (run / "figures").glob("*.png")) == [
        "flow.png",
        "heads.png",
        "interventions.png",
        "knockout.png",
        "layers.png",
        "lens.png",
        "patching.png",
    ]


def test_another_study_is_refused(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"study": "demo", "schema_version": 3, "paired": []}))
    assert read_summary(tmp_path)["kind"] == "steering"
    with pytest.raises(UsageError, match="of kind 'circuits'.*of kind 'steering'"):
        read_summary(tmp_path, "circuits")
    (tmp_path / "summary.json").write_text(json.dumps({"kind": "circuits", "schema_version": 2}))
    with pytest.raises(RunFolderError, match="circuits 3.*version 2; run its command again"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "`window`"),
        ({"share": 0.0}, "`share`"),
        ({"scope": "first"}, "`scope`"),
        ({"factors": (1.0,)}, "`factors`"),
        ({"answer_tokens": "any"}, "`answer_tokens`"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        replace(PLAN, **options)


def test_a_window_wider_than_the_model_is_refused_before_work(model, tmp_path):
    with pytest.raises(UsageError, match="`window` of CircuitsPlan must be at most"):
        explain(replace(PLAN, window=999), tmp_path / "run", model, items())
    assert not (tmp_path / "run").exists()


def test_the_command_line_writes_everything(model, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    import trimtab
    from trimtab.cli import app
    from trimtab.items import Items, write_items

    monkeypatch.setattr("trimtab.circuits.task.instruction_for", lambda target, _among: TOLD[target])
    monkeypatch.setattr(trimtab, "load", lambda _name, **_options: model)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted").mkdir()  # what is checked before work begins is that such a folder is there
    data = write_items(Items(items()), tmp_path / "items.jsonl")
    arguments = ["circuits", "planted", data, "--out", tmp_path / "run", "--limit", 10, "--flow-items", 1, "--json"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["summary"]["choice"]["count"] == 1
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_head_set_is_evaluated_beside_steering_methods_and_combined_with_them(model):
    from trimtab.circuits import HeadSet
    from trimtab.steering import NoSteering
    from trimtab.studies import evaluate

    plain = NoSteering(target="image").fit(model, [])
    told = {"instruction": "trust the picture .", "scope": "last"}
    blocked = HeadSet.of(model, "image", (ROUTING_HEAD,), strength=-1.0, **told)
    found = evaluate(model, items()[:3], [plain, blocked], max_new_tokens=2).rates
    rates: Any = found[found["task"] == "all"].set_index("method")["following"]
    assert rates["none"] == rates["heads"] == 0.0
    kept = blocked.with_strength(1.0)
    assert evaluate(model, items()[:3], [kept], max_new_tokens=2).rates["following"].iloc[-1] == 1.0
    with blocked.applied(model):
        both = evaluate(model, items()[:3], [kept], max_new_tokens=2)
    assert both.rates["following"].iloc[-1] == 0.0  # blocked outside, doubled inside: twice nothing


def test_any_artifact_is_loaded_from_its_folder(run, model, tmp_path):
    from trimtab.circuits import HeadSet
    from trimtab.steering import Artifact, NoSteering
    from trimtab.studies.kit.artifacts import load_any_artifact

    assert isinstance(load_any_artifact(run / "artifacts" / "heads-text", model), HeadSet)
    folder = NoSteering(target="text").fit(model, []).save(tmp_path / "none")
    assert isinstance(load_any_artifact(folder, model), Artifact)


def test_too_few_items_are_refused_before_any_work(model, tmp_path):
    with pytest.raises(UsageError, match="must be at least 8, .* got 7; a verdict takes some 40"):
        explain(PLAN, tmp_path / "run", model, items()[:7])
    assert not (tmp_path / "run").exists()


def test_the_fewest_items_are_enough(tmp_path):
    plan = replace(PLAN, model="tiny", score_items=48, validation_items=40, test_items=80, share=0.2, max_new_tokens=1)
    bad = replace(items()[0], id="bad", question="\ud800")
    few = [*conflict_items(8), bad]
    few = [replace(item, image=image(k)) for k, item in enumerate(few)]
    summary = read_summary(explain(plan, tmp_path / "run", tiny_model("llava", layers=2), few))
    assert [row["id"] for row in summary["skipped"]] == ["bad"]
    assert summary["scored"]["cases"] >= 4
