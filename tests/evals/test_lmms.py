"""lmms-eval's own command line says of pocket-qwen what our study says, item by item; and its plug-in's other calls."""

# pyright: reportMissingImports=false

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("lmms_eval", reason="lmms-eval is not installed here; `make test-evals` makes an environment")

import trimtab as tt
from tests.evals.conftest import NEW_TOKENS, STRENGTH, Pocket
from trimtab.errors import UsageError
from trimtab.integrations.evals.lmms import TASKS, conflict, irrelevant
from trimtab.integrations.evals.lmms.model import Trimtab
from trimtab.integrations.evals.lmms.processes import FILLING, for_own_share, placed
from trimtab.integrations.evals.parts import PARTS, parts_of
from trimtab.integrations.evals.steered import Steered
from trimtab.interference import DiagnosisConfig
from trimtab.items.prompts import prompt_for

pytestmark = pytest.mark.timeout(900)  # starting a program takes a busy machine minutes

Results = dict[str, Any]
PROTOCOLS = {"open": "trimtab_conflict_open", "single": "trimtab_conflict_single", "paired": "trimtab_conflict_paired"}


@pytest.fixture(scope="session")
def said(pocket: Pocket, program: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """What the command line wrote of the model plain and steered: its output, scores by task, and samples by task."""
    steering = f",artifact={pocket.folder},strength={STRENGTH},target=image"
    found = {}
    for name, more in {"plain": "", "steered": steering}.items():
        tasks = "trimtab_conflict,trimtab_instructed" + (",trimtab_irrelevant" if name == "plain" else "")
        out = tmp_path_factory.mktemp(name)
        arguments = ["--model", "trimtab", "--model_args", f"pretrained=pocket-qwen{more}", "--batch_size", "auto"]
        arguments += ["--tasks", tasks, "--include_path", str(TASKS), "--output_path", str(out), "--log_samples"]
        run = program("lmms-eval", *arguments, TRIMTAB_ITEMS=str(pocket.file))
        assert run.returncode == 0, run.stdout + run.stderr
        scores = json.loads(next(out.rglob("*_results.json")).read_text())["results"]
        samples = {}
        for file in out.rglob("*_samples_*.jsonl"):
            task = file.stem.split("_samples_")[1]
            samples[task] = [json.loads(line) for line in file.read_text().splitlines()]
        found[name] = {"output": run.stdout + run.stderr, "scores": scores, "samples": samples}
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("how", ["plain", "steered"])
def test_conflicts_are_answered_and_scored_as_in_our_study(
    pocket: Pocket, said: dict[str, Results], protocol: str, how: str
):
    method = tt.NoSteering(target="image").fit(pocket.model, []) if how == "plain" else pocket.steered
    ours, task = pocket.evaluated(method, protocol), PROTOCOLS[protocol]
    rates = ours.rates.query("task == 'all'").iloc[0]
    scores, samples = said[how]["scores"][task], said[how]["samples"][task]
    expected = {"image": "following", "text": "others", "other": "other", "collapse": "collapse"}
    expected |= {"inconsistent": "inconsistent"} if protocol == "paired" else {}
    assert {name: scores[f"{name},none"] for name in expected} == {
        name: pytest.approx(rates[column]) for name, column in expected.items()
    }
    if protocol == "paired":
        replies = [one["filtered_resps"] for one in samples]
        pairs = [" | ".join(replies[first : first + 2]) for first in range(0, len(replies), 2)]
        assert pairs == [one.strip() for one in ours.answers["prediction"]]
        return
    for sample, answer in zip(samples, ours.answers.to_dict("records"), strict=True):
        assert sample["filtered_resps"] == answer["prediction"].strip()
        assert sample["judged"] == {name: answer[name] for name in ("id", "label", "collapsed", "reason")}


@pytest.mark.parametrize("target", ["image", "text"])
def test_an_instructed_model_follows_as_in_our_study(pocket: Pocket, said: dict[str, Results], target: Any):
    ours = pocket.evaluated(tt.Instruction(target=target).fit(pocket.model, pocket.items(conflicts=True)), "open")
    task = f"trimtab_instructed_{target}"
    assert said["plain"]["scores"][task][f"{target},none"] == ours.rates.query("task == 'all'").iloc[0]["following"]
    replies = [one["filtered_resps"] for one in said["plain"]["samples"][task]]
    assert replies == [one.strip() for one in ours.answers["prediction"]]


def test_irrelevant_modalities_harm_as_in_our_diagnosis(pocket: Pocket, said: dict[str, Results]):
    config = DiagnosisConfig(scoring=("generation",), max_new_tokens=NEW_TOKENS)
    ours = tt.diagnose(pocket.model, pocket.items(conflicts=False), config).answers
    samples = [one["judged"] for one in said["plain"]["samples"]["trimtab_irrelevant"]]
    keys = ("id", "condition", "option", "correct")
    assert {tuple(one[key] for key in keys) for one in samples} == {*ours[[*keys]].itertuples(index=False, name=None)}
    scores, altered = said["plain"]["scores"]["trimtab_irrelevant"], ours[ours.condition != "clean"]
    assert len(altered) >= 16
    assert {name: scores[f"{name},none"] for name in ("clean", "perturbed", "changed", "harmful", "collapse")} == {
        "clean": ours[ours.condition == "clean"].correct.mean(),
        "perturbed": pytest.approx(altered.correct.mean()),
        "changed": pytest.approx(altered.changed.mean()),
        "harmful": pytest.approx(altered.harmful.mean()),
        "collapse": pytest.approx(ours.collapsed.mean()),
    }


def test_steering_changes_answers_and_the_log_holds_the_receipt(said: dict[str, Results]):
    plain, steered = (said[how]["samples"]["trimtab_conflict_open"] for how in ("plain", "steered"))
    assert [one["filtered_resps"] for one in plain] != [one["filtered_resps"] for one in steered]
    assert "trimtab: pocket-qwen: no edits" in said["plain"]["output"]
    assert f"pocket-qwen under mean toward the image at {STRENGTH}: AddVector" in said["steered"]["output"]
    assert f"{16 * 6} rows" in said["steered"]["output"]


@pytest.mark.parametrize(
    ("given", "batch", "says"),
    [
        ("pretrained=pocket-qwen,strenght=2", 1, "`model_args` must be among pretrained, .* did you mean 'strength'?"),
        ("artifact=somewhere", 1, "`pretrained` of model_args must name the model"),
        (
            "pretrained=pocket-qwen",
            "many",
            "`batch_size` of lmms-eval must be auto or a number of at least 1; got 'many'",
        ),
    ],
)
def test_bad_arguments_are_one_sentence(given: str, batch: Any, says: str):
    with pytest.raises(UsageError, match=says):
        Trimtab.create_from_arg_string(given, {"batch_size": batch})


def model_of(pocket: Pocket, docs: list[dict[str, Any]], **steering: Any) -> Trimtab:
    made = object.__new__(Trimtab)
    super(Trimtab, made).__init__()
    made.steered, made._unknown = Steered(pocket.model, longest=8, **steering), set()
    made.task_dict = {"task": {"test": docs}}
    return made


def request(*arguments: Any) -> Any:
    return SimpleNamespace(args=arguments)


def test_several_pictures_and_settings_in_one_batch(pocket: Pocket):
    items = pocket.items(conflicts=True)[:3]
    pictures = [item.image.open() for item in items if item.image is not None]
    docs = [{"shown": pictures[:2], "text": "How many?"}, {"shown": pictures[2], "text": "What is it?"}, {}]
    prompts = [tt.Prompt("How many?", pictures[:2], request=""), tt.Prompt("What is it?", pictures[2], request="")]
    prompts.append(prompt_for(items[0]))
    docs[2] = {"shown": pictures[0], "text": prompts[2].body()[0], PARTS: parts_of(prompts[2])}
    given = [{"max_new_tokens": 4}, {"max_new_tokens": 4, "until": ["e"], "image_aspect_ratio": "pad"}, {}]
    requests = [
        request(doc["text"], how, lambda doc: doc["shown"], place, "task", "test")
        for place, (doc, how) in enumerate(zip(docs, given, strict=True))
    ]
    own = [tt.generate(pocket.model, one, max_new_tokens=n).texts[0] for one, n in zip(prompts, (4, 4, 8), strict=True)]
    own[1] = own[1].split("e")[0]
    made = model_of(pocket, docs)
    assert made.generate_until(requests) == own
    assert made._unknown == {"image_aspect_ratio"}


def test_rounds_go_on_until_the_task_has_all_it_needs(pocket: Pocket):
    first, second = ("What is shown?", "Is it a person?")
    docs = [{"rounds": 1}, {"rounds": 2}]

    def next_round(doc: Any, previous_output: list[str], round_idx: int, previous_round_info: Any) -> tuple[Any, ...]:
        assert previous_round_info == (None if round_idx == 1 else "told")
        ended = round_idx == doc["rounds"]
        return (None, None if ended else second, ended, [*previous_output, "end"] if ended else None, "told")

    requests = [request(first, {}, lambda _doc: None, next_round, place, "task", "test") for place in (0, 1)]
    own = tt.generate(pocket.model, [tt.Prompt(one, request="") for one in (first, second)], max_new_tokens=8).texts
    assert model_of(pocket, docs).generate_until_multi_round(requests) == [[own[0], "end"], [*own, "end"]]


def test_the_greedy_reply_is_the_likeliest_and_its_loss_is_the_mean_of_its_tokens(pocket: Pocket):
    item = next(one for one in pocket.items(conflicts=True) if one.image is not None)
    prompt = prompt_for(item)
    docs = [{PARTS: parts_of(prompt), "right": item.answer_of("image")}]
    own = tt.generate(pocket.model, pocket.steered.asks(pocket.model, [prompt])).texts[0]
    texts: list[Any] = [f" {own}", " zebra", lambda doc: f" {doc['right']}"]
    shown = lambda _doc: [item.image.open()]  # noqa: E731  # pyright: ignore[reportOptionalMemberAccess]
    requests = [request(prompt.body()[0], text, shown, 0, "task", "test") for text in texts]
    made = model_of(pocket, docs, artifact=pocket.steered)
    (greedy, is_greedy), (loss, is_not), (right, _) = made.loglikelihood(requests)
    assert is_greedy
    assert not is_not
    assert 0 < greedy < loss
    assert right > 0


def test_two_processes_answer_what_one_does_and_count_each_edit_once(
    pocket: Pocket, said: dict[str, Results], program: Callable[..., Any], tmp_path: Path
):
    """An odd number of questions, so that one of the shares is filled up."""
    arguments = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "lmms_eval"]
    arguments += ["--model", "trimtab", "--limit", "5"]
    arguments += ["--model_args", f"pretrained=pocket-qwen,artifact={pocket.folder},strength={STRENGTH}"]
    arguments += ["--tasks", "trimtab_conflict_open,trimtab_conflict_paired", "--include_path", str(TASKS)]
    arguments += ["--batch_size", "auto", "--output_path", str(tmp_path), "--log_samples"]
    run = program("python", *arguments, TRIMTAB_ITEMS=str(pocket.file), ACCELERATE_USE_CPU="true")
    assert run.returncode == 0, run.stdout + run.stderr
    for task in ("trimtab_conflict_open", "trimtab_conflict_paired"):
        (file,) = tmp_path.rglob(f"*_samples_{task}.jsonl")
        found = [json.loads(line) for line in file.read_text().splitlines()]
        alone = said["steered"]["samples"][task][:5]
        assert {one["doc_id"]: one["filtered_resps"] for one in found} == {
            one["doc_id"]: one["filtered_resps"] for one in alone
        }
    receipts = re.findall(r"process (\d) of 2: pocket-qwen under mean .*?: (\d+) rows", run.stdout + run.stderr)
    assert {which for which, _ in receipts} == {"1", "2"}
    assert sum(int(rows) for _, rows in receipts) == 2 * 5


def test_each_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch):
    options = {"pretrained": "pocket-qwen"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert placed(options) == options
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert placed(options) == {**options, "device": "cuda:1"}
    assert placed({**options, "device": "cpu"}) == {**options, "device": "cpu"}
    with pytest.raises(UsageError, match="`device_map` of model_args must be left out where 2 processes share"):
        placed({**options, "device_map": "auto"})
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert placed(options) == options


def test_requests_that_only_fill_a_share_are_not_asked():
    asked: list[str] = []
    fill = SimpleNamespace(text="b", metadata={FILLING: True})
    requests = [SimpleNamespace(text="a", metadata={}), fill, SimpleNamespace(text="c")]
    replies = for_own_share(requests, lambda own: [asked.append(one.text) or one.text.upper() for one in own], "")
    assert (asked, replies) == (["a", "c"], ["A", "", "C"])


def test_items_that_suit_no_task_are_refused_in_a_sentence(pocket: Pocket, monkeypatch: pytest.MonkeyPatch):
    bundled: Any = [{"items": "pocket-interference:test"}]
    with pytest.raises(UsageError, match="`items` of a conflict task must be without `relevant`"):
        conflict.open_docs(bundled)
    monkeypatch.setenv("TRIMTAB_ITEMS", "pocket-mc2:test")
    with pytest.raises(UsageError, match="must say what is `relevant`; none of pocket-mc2:test does"):
        irrelevant.docs(bundled)


def test_a_folder_of_mc2_is_asked_with_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    record = {"task": "color", "question": "What color is it?", "context": "It is red."}
    record |= {"image_id": "000000000007", "answer_vision": "orange", "answer_text": "red"}
    (tmp_path / "MC2.json").write_text(json.dumps([record]))
    Image.new("RGB", (40, 30), "orange").save(tmp_path / "000000000007.jpg")
    monkeypatch.setenv("TRIMTAB_ITEMS", str(tmp_path / "MC2.json"))
    monkeypatch.setenv("TRIMTAB_IMAGES", str(tmp_path))
    bundled: Any = [{"items": "pocket-mc2:test"}]
    doc, other = conflict.paired_docs(bundled)
    assert doc["text"].startswith("Text context: It is red.\nWhat color is it?\nA. orange\nB. red")
    assert [one.size for one in conflict.visuals(doc)] == [(40, 30)]
    found = [conflict.process_results(one, [reply])["image"] for one, reply in ((doc, "A"), (other, "B"))]
    assert (conflict.image(found), conflict.text(found), conflict.inconsistent(found)) == (1, 0, 0)
    assert conflict.inconsistent([found[0], {**found[1], "reply": "A"}]) == 1
