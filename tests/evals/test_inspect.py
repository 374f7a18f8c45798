"""inspect_ai's own command line says of pocket-qwen what our study says, item by item; its plug-in's other calls."""

# pyright: reportMissingImports=false

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="inspect_ai is not installed here; `make test-evals` makes an environment")

from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    ContentImage,
    ContentText,
    ContentVideo,
    GenerateConfig,
    get_model,
)

import trimtab as tt
from tests.evals.conftest import STRENGTH, Pocket
from trimtab.errors import UsageError
from trimtab.integrations.evals.inspect.messages import message_of, prompt_of_messages
from trimtab.integrations.evals.inspect.provider import TrimtabAPI
from trimtab.integrations.evals.steered import Steered
from trimtab.items.prompts import prompt_for
from trimtab.media import medium_kind

pytestmark = pytest.mark.timeout(900)  # starting a program takes a busy machine minutes


@pytest.fixture(scope="session")
def logs(pocket: Pocket, program: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command line logged of the model plain under one protocol, and steered under another."""
    steering = ["-M", f"artifact={pocket.folder}", "-M", f"strength={STRENGTH}", "-M", "target=image"]
    found = {}
    for protocol, more in {"open": [], "paired": steering}.items():
        out = tmp_path_factory.mktemp(protocol)
        arguments = ["-T", f"items={pocket.file}", "-T", f"protocol={protocol}", "--log-format", "json", *more]
        arguments += ["--log-dir", str(out), "--display", "plain"]
        run = program("inspect", "eval", "trimtab/conflict", "--model", "trimtab/pocket-qwen", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        found[protocol] = json.loads(next(Path(out).glob("*.json")).read_text())
    return found


@pytest.mark.parametrize("protocol", ["open", "paired"])
def test_conflicts_are_answered_and_scored_as_in_our_study(pocket: Pocket, logs: dict[str, Any], protocol: str):
    log = logs[protocol]
    assert log["status"] == "success"
    method = tt.NoSteering(target="image").fit(pocket.model, []) if protocol == "open" else pocket.steered
    ours = pocket.evaluated(method, protocol)
    rates = ours.rates.query("task == 'all'").iloc[0]
    scores = {one["name"]: one["metrics"]["mean"]["value"] for one in log["results"]["scores"]}
    assert scores == {
        "image": pytest.approx(rates["following"]),
        "text": pytest.approx(rates["others"]),
        "other": pytest.approx(rates["other"]),
        "collapse": pytest.approx(rates["collapse"]),
        "inconsistent": pytest.approx(rates["inconsistent"]),
    }
    judged = {one["id"]: one["scores"]["judged"] for one in log["samples"]}
    said = {name: (one["answer"], one["metadata"]["label"], one["explanation"]) for name, one in judged.items()}
    columns = ["prediction", "label", "reason"]
    assert said == {row["id"]: tuple(row[name] for name in columns) for row in ours.answers.to_dict("records")}


def test_the_log_holds_receipts_and_samples_share_batches(logs: dict[str, Any]):
    plain, steered = ([one["output"]["metadata"]["trimtab"] for one in logs[name]["samples"]] for name in logs)
    assert {one["receipt"] for one in plain} == {"no edits"}
    assert all("AddVector(from_last_prompt) at layer" in one["receipt"] for one in steered)
    assert max(one["rows"] for one in steered) > 1


def test_bad_options_are_one_sentence():
    with pytest.raises(UsageError, match="`model_args` must be among pretrained, .* did you mean 'strength'?"):
        get_model("trimtab/pocket-qwen", strenght=2)


@pytest.fixture
def api(pocket: Pocket, monkeypatch: pytest.MonkeyPatch) -> TrimtabAPI:
    monkeypatch.setattr(
        "trimtab.integrations.evals.inspect.provider.load_steered", lambda *_: Steered(pocket.model, longest=8)
    )
    return TrimtabAPI("pocket-qwen")


def asked(api: TrimtabAPI, *messages: Any, tools: Any = (), **config: Any) -> list[Any]:
    """Ask conversations of one message at the same time."""

    async def every() -> list[Any]:
        calls = [api.generate([one], list(tools), "none", GenerateConfig(**config)) for one in messages]
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(every())


def test_other_tasks_messages_with_several_pictures_are_answered(pocket: Pocket, api: TrimtabAPI, tmp_path: Path):
    pictures = [item.image.open() for item in pocket.items(conflicts=True)[:2] if item.image is not None]
    pictures[1].save(tmp_path / "b.png")
    whole = message_of(tt.Prompt("Which?", pictures[:1]))
    shown = [one for one in whole.content if isinstance(one, ContentImage)]
    content = [*shown, ContentImage(image=str(tmp_path / "b.png")), ContentText(text="How many?")]
    prompts = [tt.Prompt("How many?", pictures, request=""), tt.Prompt("What is it?", request="")]
    own = tt.generate(pocket.model, prompts, max_new_tokens=4).texts
    found = asked(api, ChatMessageUser(content=content), ChatMessageUser(content="What is it?"), max_tokens=4)
    assert [one.completion for one in found] == own
    (begun,) = asked(api, ChatMessageUser(content=content), max_tokens=4, stop_seqs=[own[0][1]])
    assert begun.completion == own[0][0]


def test_a_prompt_is_the_same_after_the_way_there_and_back(pocket: Pocket):
    prompt = prompt_for(pocket.items(conflicts=True)[0], instruction="Follow the image.", choices=("a", "b"))
    again = prompt_of_messages([message_of(prompt)])
    assert [(part.name, part.content) for part in again.parts()[1:]] == [
        (part.name, part.content) for part in prompt.parts()[1:]
    ]
    assert again.images[0].tobytes() == prompt.images[0].tobytes()
    sound = medium_kind("audio").example()
    heard = prompt_of_messages([message_of(tt.Prompt("Who?", media={"audio": (sound,)}))])
    assert [*heard.media] == ["audio"]


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([ChatMessageSystem(content="Be brief."), ChatMessageUser(content="What?")], "got system, user"),
        ([ChatMessageAssistant(content="A cat.")], "must be one message of the user"),
        ([ChatMessageUser(content=[ContentVideo(video="a.mp4", format="mp4")])], "must hold text, images and audio"),
        ([ChatMessageUser(content=[ContentImage(image="https://a.b/c.png")])], "must hold media as data or as paths"),
    ],
)
def test_what_a_prompt_cannot_say_is_refused(messages: list[Any], says: str):
    with pytest.raises(UsageError, match=says):
        prompt_of_messages(messages)


def test_what_cannot_be_answered_costs_itself_alone(api: TrimtabAPI):
    long, fine = asked(api, ChatMessageUser(content="word " * 5000), ChatMessageUser(content="What is it?"))
    assert "`input` must suit pocket-qwen" in str(long)
    assert isinstance(fine.completion, str)
    assert "`tools` and `num_choices` must be left out" in str(
        asked(api, ChatMessageUser(content="A?"), num_choices=2)[0]
    )
    with pytest.raises(UsageError, match="one shows video"):
        message_of(tt.Prompt("What?", media={"video": (medium_kind("video").example(),)}))
