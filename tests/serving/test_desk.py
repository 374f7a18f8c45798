"""What is asked of a running server beside answers, and how a server is started; without vLLM."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from trimtab.engine import Prompt, encode
from trimtab.errors import TrimtabError, UsageError
from trimtab.models import Model
from trimtab.serving import Bank, ServedModel
from trimtab.serving.desk import Desk, is_operator
from trimtab.serving.launching import BUNDLED_OPTIONS, NO_DOMAIN, Launch, plugins, prepare, template_of
from trimtab.serving.ledger import Ledger
from trimtab.serving.settings import VARIABLE, Settings
from trimtab.steering import Artifact


def vector(model: Model, size: float = 1.0) -> Artifact:
    direction = torch.full((model.hidden_size,), size)
    return Artifact("mean", "image", model.name, model.fingerprint, layer=1, direction=direction)


class Workers:
    """Two workers that note what they are told, and refuse what they are made to."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.refuses: str | None = None

    async def __call__(self, method: str, arguments: tuple[Any, ...]) -> list[Any]:
        self.told.append((method, *arguments))
        return [None, self.refuses if method == "trimtab_add" else None]


@pytest.fixture
def desk(model: Model, tmp_path: Path) -> Callable[[Workers], Desk]:
    facts = ServedModel.of(model)
    (tmp_path / "bank").mkdir()
    settings = Settings(facts.save(tmp_path / "facts.json"), (), tmp_path / "bank")
    return lambda workers: Desk(settings, Bank(facts), workers)


def test_an_artifact_is_added_replaced_and_removed(desk: Callable[[Workers], Desk], model: Model, tmp_path: Path):
    workers, folder = Workers(), tmp_path / "bank" / "one"
    own = desk(workers)
    vector(model).save(folder)
    first = asyncio.run(own.add({"name": "one"}))
    assert workers.told == [("trimtab_add", "one", str(folder), first["digest"])]
    vector(model, 2.0).save(folder)
    second = asyncio.run(own.add({"name": "one"}))
    assert workers.told[2:] == [("trimtab_remove", first["digest"])]
    assert [offer["digest"] for offer in own.bank.about()] == [second["digest"]]
    asyncio.run(own.remove("one", None))
    assert workers.told[3:] == [("trimtab_remove", second["digest"])]
    assert own.bank.about() == []


def test_a_content_that_has_two_names_stays_while_one_of_them_does(
    desk: Callable[[Workers], Desk], model: Model, tmp_path: Path
):
    workers = Workers()
    own = desk(workers)
    for name in ("one", "two"):
        vector(model).save(tmp_path / "bank" / name)
        asyncio.run(own.add({"name": name}))
    asyncio.run(own.remove("one", None))
    assert not [told for told in workers.told if told[0] == "trimtab_remove"]


def test_what_a_worker_refuses_is_not_offered(desk: Callable[[Workers], Desk], model: Model, tmp_path: Path):
    workers = Workers()
    workers.refuses = "no room"
    own = desk(workers)
    vector(model).save(tmp_path / "bank" / "one")
    with pytest.raises(UsageError, match="no room"):
        asyncio.run(own.add({"name": "one"}))
    assert own.bank.about() == []
    assert workers.told[-1][0] == "trimtab_remove"


@pytest.mark.parametrize(
    "asked", [None, [], "one", b"{", {}, {"name": 3}, {"name": "../up"}, {"name": "none"}, {"name": "one", "path": "/"}]
)
def test_only_folders_of_the_bank_can_be_asked_for(desk: Callable[[Workers], Desk], asked: object):
    workers = Workers()
    with pytest.raises(TrimtabError, match="`name`"):
        asyncio.run(desk(workers).add(asked))
    assert workers.told == []


def test_the_operators_key_is_a_bearer_token():
    assert is_operator("Bearer k", "k")
    assert is_operator("bearer k", "k")
    for header in (None, "", "k", "Basic k", "Bearer", "Bearer other", "Bearer k "):
        assert not is_operator(header, "k")


def test_receipts_are_kept_by_request_and_the_latest_one_counts():
    ledger, one = Ledger(kept=3), {"artifacts": [{"artifact": "x", "target": "image"}]}
    ledger.note("cmpl-a", "1", 0, one | {"n": 1})
    ledger.note("cmpl-a", "1", 0, one | {"n": 2})
    ledger.note("cmpl-b-1", "3", 0, one | {"n": 4, "error": "why"})
    ledger.note("cmpl-b-0", "2", 0, {"artifacts": [{"artifact": "y", "target": "text"}], "n": 3})
    assert [receipt["n"] for receipt in ledger.receipts("cmpl-a")] == [2]
    assert [receipt["n"] for receipt in ledger.receipts("cmpl-b")] == [3, 4]
    assert ledger.error("cmpl-b") == "why"
    assert ledger.steered == {("x", "image"): 2, ("y", "text"): 1}
    assert +ledger.failed == {("x", "image"): 1}
    ledger.note("cmpl-c", "4", 0, one)
    assert ledger.receipts("cmpl-a") == []
    assert ledger.error("cmpl-c") is None


def test_requests_that_a_client_gives_like_names_are_told_apart():
    ledger, one = Ledger(), {"artifacts": [{"artifact": "x", "target": "image"}]}
    ledger.note("chatcmpl-job-1", "a", 0, one | {"error": "of another"})
    assert ledger.receipts("chatcmpl-job") == []
    assert ledger.error("chatcmpl-job") is None
    ledger.note("chatcmpl-job", "b", 0, one | {"n": 1})
    ledger.note("chatcmpl-job", "b", 1, one | {"n": 2})
    ledger.note("chatcmpl-job", "c", 0, one | {"n": 3})  # the same name once more
    assert [receipt["n"] for receipt in ledger.receipts("chatcmpl-job")] == [3]
    assert ledger.steered == {("x", "image"): 4}
    ledger.note("chatcmpl-batch_0", "d", 0, one | {"n": 4})
    ledger.note("chatcmpl-batch_10", "f", 0, one | {"n": 6})
    ledger.note("chatcmpl-batch_2", "e", 0, one | {"n": 5})
    assert [receipt["n"] for receipt in ledger.receipts("chatcmpl-batch")] == [4, 5, 6]


def launch(tmp_path: Path, **changes: Any) -> Launch:
    settings = Settings(tmp_path / "facts.json")
    given: dict[str, Any] = {"name": "m", "model": "m", "chat_template": tmp_path / "t", "settings": settings}
    given |= {"host": "h", "port": 1, "dtype": "d"}
    return Launch(**given | changes)


def test_a_server_is_started_with_what_steering_needs(tmp_path: Path):
    arguments = launch(tmp_path, options=("--async-scheduling",)).arguments()
    assert arguments.index("--no-async-scheduling") > arguments.index("--async-scheduling")
    assert arguments[-2:] == ["--allowed-media-domains", NO_DOMAIN]
    assert "--enforce-eager" in arguments
    assert "--enforce-eager" not in launch(tmp_path, compiled=True).arguments()
    assert launch(tmp_path, compiled=True).environment({}).get("TORCHDYNAMO_DISABLE") is None
    assert launch(tmp_path, media_domains=("a", "b")).arguments()[-2:] == ["a", "b"]
    assert set(BUNDLED_OPTIONS) <= set(launch(tmp_path, name="pocket-qwen").arguments())
    given = {"VLLM_USE_V2_MODEL_RUNNER": "1", "VLLM_PLUGINS": "mine", "VLLM_NO_USAGE_STATS": "0"}
    found = launch(tmp_path).environment(given)
    assert (found["VLLM_USE_V2_MODEL_RUNNER"], found["VLLM_DISABLE_COMPILE_CACHE"]) == ("0", "1")
    assert (found["VLLM_PLUGINS"], found["VLLM_NO_USAGE_STATS"]) == ("mine,trimtab", "0")
    assert VARIABLE in found
    assert "trimtab" in plugins({}).split(",")


def test_what_a_server_reads_is_written_and_checked_first(model: Model, tmp_path: Path):
    one = vector(model).save(tmp_path / "a" / "one")
    folder, template, settings = prepare(model, [one], tmp_path / "a", tmp_path, "bfloat16")
    assert folder == model.name
    assert template.read_text() == template_of(model)
    assert [offer.name for offer in settings.open()] == ["one"]
    assert ServedModel.load(settings.facts).precision == "bfloat16"
    twin = vector(model, 2.0).save(tmp_path / "b" / "one")
    with pytest.raises(UsageError, match="of one name and target"):
        prepare(model, [one, twin], None, tmp_path, "float32")
    with pytest.raises(UsageError, match="`--bank` of serve"):
        prepare(model, [one], tmp_path / "none", tmp_path, "float32")


@pytest.mark.parametrize("name", ["pocket-qwen", "pocket-llava"])
def test_a_chat_is_written_in_the_tokens_of_the_local_engine(name: str):
    """vLLM has the tokenizer add none, and LLaVA's own template leaves the first one to it."""
    model, prompt = tt.load(name), Prompt("What is it?")
    turns = [{"role": "user", "content": [{"type": "text", "text": prompt.body()[0]}]}]
    text = model.tokenizer.apply_chat_template(
        turns, chat_template=template_of(model), add_generation_prompt=True, tokenize=False
    )
    written = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert written == encode(model, prompt).ids.tolist()
