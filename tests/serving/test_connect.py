"""A server as an engine; the server is pretended by a model in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from tests.conflicts import make_items
from trimtab.circuits import HeadSet
from trimtab.engine import (
    AddVector,
    Capability,
    Decoding,
    Engine,
    Predictor,
    Prompt,
    Read,
    Row,
    admit,
    encode,
    engine_of,
    generate,
    run,
)
from trimtab.errors import DataError, NotFiniteError, ServerError, UnsupportedEngineError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.serving import Bank, ServedModel
from trimtab.serving.client import ServedEngine
from trimtab.serving.client.messages import decoding_of, messages_of
from trimtab.serving.client.transport import RefusedError, Transport
from trimtab.serving.receipts import NOT_FINITE
from trimtab.serving.requests import resolved, steering_of
from trimtab.steering import Artifact


class Server:
    """Answers in the form of OpenAI's chat completions, by a model here and the bank's artifacts."""

    def __init__(self, model: Model, bank: Bank, prompts: list[Prompt]) -> None:
        self.model, self.bank = model, bank
        self.prompts = {repr(messages_of(prompt, "m")): prompt for prompt in prompts}
        self.asked: list[Mapping[str, Any]] = []
        self.refuse: RefusedError | None = None

    def get(self, path: str) -> Any:
        assert path == "/v1/steering/artifacts"
        return {"artifacts": self.bank.about()}

    def post(self, path: str, asked: Mapping[str, Any]) -> Any:
        self.asked.append(asked)
        if path == "/tokenize":
            return {"tokens": self.model.tokenizer(asked["prompt"], add_special_tokens=False)["input_ids"]}
        if self.refuse is not None:
            raise self.refuse
        prompt = self.prompts[repr(asked["messages"])]
        steering = steering_of(resolved(self.bank, asked.get("vllm_xargs"), lambda words: self._find(prompt, words)))
        edits = () if steering is None else sum((self._edits(part) for part in steering["parts"]), ())
        row = Row(prompt, edits)
        found = generate(self.model, row, max_new_tokens=asked["max_tokens"])
        tokens = found.tokens[0] + ([min(self.model.stop_tokens)] if found.finished[0] else [])
        choice: dict[str, Any] = {
            "message": {"content": found.texts[0]},
            "token_ids": tokens,
            "finish_reason": "stop" if found.finished[0] else "length",
        }
        if asked.get("logprobs"):
            (top,) = run(self.model, row, Read(top=asked["top_logprobs"])).top or [{}]
            told = [{"token": f"token_id:{token}", "logprob": value} for token, value in top.items()]
            choice["logprobs"] = {"content": [{"top_logprobs": told[::-1]}]}
        length = len(encode(self.model, row.prompt)) if isinstance(row.prompt, Prompt) else 0
        receipt = None if steering is None else {"trimtab": {"artifacts": [{"edits": found.receipt.table()}]}}
        usage = {"prompt_tokens": length, "prompt_tokens_details": {"cached_tokens": 1}}
        return {"choices": [choice], "usage": usage, "kv_transfer_params": receipt}

    def _edits(self, part: Mapping[str, Any]) -> Any:
        (offer,) = [one for one in self.bank if one.digest == part["digest"]]
        return offer.edits(part["strength"])

    def _find(self, prompt: Prompt, words: str) -> tuple[int, int]:
        body, ranges = prompt.body()
        (name,) = [name for name in ranges if body[slice(*ranges[name])] == words]
        span = encode(self.model, prompt).span(name)
        return int(span[0]), int(span[-1]) + 1


PROMPTS = [prompt_for(item) for item in make_items("test", 4)]


def artifacts(model: Model) -> dict[str, Artifact | HeadSet]:
    hidden = model.hidden_size
    network = Predictor(torch.randn(3, hidden), torch.randn(3), torch.randn(hidden, 3), torch.randn(hidden))

    def made(method: str, **parts: Any) -> Artifact:
        return Artifact(method, "image", model.name, model.fingerprint, **parts)

    return {
        "vector": made("mean", layer=1, direction=torch.randn(hidden), strength=3.0),
        "network": made("l2s", layer=0, direction=network),
        "heads": HeadSet.of(model, "image", [(0, 0), (1, 1)], strength=3.0, scope="last"),
        "worded": HeadSet.of(model, "text", [(1, 0)], strength=2.0),
        "mean": HeadSet.of(
            model,
            "text",
            [(0, 1)],
            strength=-1.0,
            scope="all",
            reference="mean",
            values=torch.randn(1, 1, model.head_dims[0]),
        ),
    }


@pytest.fixture
def server(model: Model, tmp_path: Path) -> Server:
    bank = Bank(ServedModel.of(model))
    for name, artifact in artifacts(model).items():
        bank.put(bank.read(name, artifact.save(tmp_path / name)))
    return Server(model, bank, PROMPTS)


@pytest.fixture
def engine(server: Server) -> ServedEngine:
    told = {"served_as": "m", "device": "cpu", "max_model_len": 4096, "max_logprobs": 20}
    facts = ServedModel.of(server.model)
    return ServedEngine(server, ServedModel.read({**facts.about(), **told}), told)  # pyright: ignore[reportArgumentType]


def test_it_keeps_the_contract_and_tells_what_it_can_do(engine: ServedEngine, model: Model):
    assert isinstance(engine, Engine)
    local = engine_of(model)
    for name in ("name", "fingerprint", "family_name", "n_layers", "n_heads", "head_dims", "hidden_size"):
        assert getattr(engine, name) == getattr(local, name), name
    for name in ("vocab_size", "precision", "n_parameters"):
        assert getattr(engine, name) == getattr(local, name), name
    assert engine.modalities == ("image", "text")
    assert engine.capabilities == {Capability.ADD_VECTOR, Capability.EDIT_HEADS, Capability.TOP_LOGPROBS}
    assert engine.tokenize("a red cat") == local.tokenize("a red cat")
    assert engine.map(lambda own, item: (own.name, item), [1]) == [(engine.name, 1)]


def test_answers_are_those_of_the_model(engine: ServedEngine, model: Model, tmp_path: Path):
    loaded: Any = [
        tt.load_artifact(tmp_path / name, engine) for name in ("vector", "network", "heads", "mean", "worded")
    ]
    assert [isinstance(one, HeadSet) for one in loaded] == [False, False, True, True, True]
    ways = [(), *(one.edits() for one in loaded), loaded[0].edits(2.0) + loaded[2].edits() + loaded[1].edits()]
    rows = [Row(prompt, edits) for prompt in PROMPTS for edits in ways]
    mine, theirs = generate(engine, rows, max_new_tokens=6), generate(model, rows, max_new_tokens=6)
    assert (mine.texts, mine.tokens, mine.finished) == (theirs.texts, theirs.tokens, theirs.finished)
    keys = ("edit", "layer", "rows", "prompt_positions", "generated_positions")
    counted, wanted = ({tuple(e[key] for key in keys) for e in own.receipt.table()} for own in (mine, theirs))
    assert counted == wanted
    assert mine.cost.rows == len(rows)
    assert mine.cost.tokens == mine.cost.naive_tokens - len(rows)


def test_a_strength_is_found_from_the_edits(engine: ServedEngine, server: Server, tmp_path: Path):
    artifact: Any = tt.load_artifact(tmp_path / "vector", engine)
    generate(engine, Row(PROMPTS[0], artifact.edits(-0.7)), max_new_tokens=2)
    assert server.asked[-1]["vllm_xargs"] == {"artifact": "vector", "target": "image", "strength": -0.7}
    heads: Any = tt.load_artifact(tmp_path / "heads", engine)
    for strength in (-1.0, 0.5):
        generate(engine, Row(PROMPTS[0], heads.edits(strength)), max_new_tokens=2)
        assert server.asked[-1]["vllm_xargs"] == {"artifact": "heads", "target": "image", "strength": strength}
    mean: Any = tt.load_artifact(tmp_path / "mean", engine)
    generate(engine, Row(PROMPTS[0], mean.edits()), max_new_tokens=2)
    assert server.asked[-1]["vllm_xargs"] == {"artifact": "mean", "target": "text", "strength": -1.0}
    generate(engine, Row(PROMPTS[0], (*mean.edits(), *artifact.edits(2.0))), max_new_tokens=2)
    assert server.asked[-1]["vllm_xargs"] == {
        "artifact": ["mean", "vector"],
        "target": ["text", "image"],
        "strength": [-1.0, 2.0],
    }
    generate(engine, PROMPTS[0], max_new_tokens=2)
    assert "vllm_xargs" not in server.asked[-1]


def test_the_likeliest_tokens_are_those_of_the_model(engine: ServedEngine, model: Model, tmp_path: Path):
    artifact: Any = tt.load_artifact(tmp_path / "vector", engine)
    rows = [Row(PROMPTS[0]), Row(PROMPTS[1], artifact.edits())]
    read = Read(logits=False, top=4)
    mine, theirs = run(engine, rows, read), run(model, rows, read)
    assert theirs.logits is None
    assert mine.top is not None
    assert theirs.top is not None
    for one, other in zip(mine.top, theirs.top, strict=True):
        assert list(one) == list(other)
        assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-4)
        assert list(one.values()) == sorted(one.values(), reverse=True)
    with pytest.raises(UsageError, match="`top` of Read must be at most 20"):
        run(engine, PROMPTS[0], Read(logits=False, top=21))


def test_what_it_cannot_do_is_refused_by_name_before_anything_is_asked(engine: ServedEngine, server: Server):
    asked = {
        "LOGITS": Read(),
        "HIDDEN": Read(logits=False, hidden=(0,)),
        "HEADS": Read(logits=False, heads=(0,)),
    }
    for capability, read in asked.items():
        with pytest.raises(UnsupportedEngineError, match=capability):
            run(engine, PROMPTS[0], read)
    other = AddVector(1, torch.ones(engine.hidden_size))
    with pytest.raises(
        UnsupportedEngineError, match=r"the server of .* offers \(heads, mean, network, vector, worded\)"
    ):
        generate(engine, Row(PROMPTS[0], (other,)))
    with pytest.raises(UnsupportedEngineError, match="an encoded one"):
        generate(engine, Row(encode(server.model, PROMPTS[0])))
    with pytest.raises(UnsupportedEngineError, match="tokenizer in this process"):
        encode(engine, PROMPTS[0])
    with pytest.raises(UsageError, match="`reuse` of generate"):
        generate(engine, PROMPTS[0], reuse=False)
    with pytest.raises(UnsupportedEngineError, match="GRADIENTS|WEIGHTS|CACHE|HIDDEN"):
        tt.L2S(target="image").fit(engine, make_items("train", 4))
    assert server.asked == []


def test_evaluation_runs_on_a_server_as_on_a_model(engine: ServedEngine, model: Model, tmp_path: Path):
    items = make_items("test", 4)
    own: Any = tt.load_artifact(tmp_path / "network", engine)
    methods = [tt.NoSteering(target="image").fit(engine, items), own]
    found = tt.evaluate(engine, items, methods, strengths=[2.0], max_new_tokens=4)
    wanted = tt.evaluate(model, items, methods, strengths=[2.0], max_new_tokens=4)
    assert found.answers.drop(columns="model").equals(wanted.answers.drop(columns="model"))
    assert found.skipped == []


def test_errors_of_a_server_say_which_row(engine: ServedEngine, server: Server):
    server.refuse = RefusedError(400, "too long")
    with pytest.raises(DataError, match="row 0: the server of .* says: too long"):
        generate(engine, PROMPTS[0])
    assert admit(engine, PROMPTS[:2]) == {0: "too long", 1: "too long"}
    server.refuse = RefusedError(500, f"the change at layer 1 is {NOT_FINITE}")
    with pytest.raises(NotFiniteError):
        generate(engine, PROMPTS[0])
    assert list(generate(engine, PROMPTS[0], keep_broken=True).broken) == [0]
    server.refuse = RefusedError(503, "later")
    with pytest.raises(ServerError, match="later"):
        admit(engine, PROMPTS[:1])


def test_after_a_refusal_the_rows_that_have_not_begun_are_not_asked(engine: ServedEngine, server: Server):
    server.refuse = RefusedError(400, "too long")
    with pytest.raises(DataError, match="row 0"):
        generate(engine, [PROMPTS[0]] * 300, batch_size=2)
    assert len(server.asked) < 100


def test_prompts_that_leave_no_room_for_an_answer_are_not_admitted(engine: ServedEngine):
    assert admit(engine, PROMPTS[:1], new_tokens=10) == {}
    assert "and the server takes 4096" in admit(engine, PROMPTS[:1], new_tokens=4096)[0]


def test_all_of_decoding_is_sent_and_draws_have_seeds_of_their_own(engine: ServedEngine, server: Server):
    assert decoding_of(Decoding(), 0)["repetition_penalty"] == 1.0
    rows = [PROMPTS[0], PROMPTS[0], PROMPTS[1]]
    generate(engine, rows, max_new_tokens=2, decoding=Decoding(temperature=1.0), batch_size=1)
    first = [asked["seed"] for asked in server.asked]
    assert len(set(first)) == 3
    generate(engine, rows, max_new_tokens=2, decoding=Decoding(temperature=1.0), batch_size=1)
    assert [asked["seed"] for asked in server.asked[3:]] == first


def test_an_address_is_a_servers(monkeypatch: pytest.MonkeyPatch):
    assert Transport.to("http://h:1/v1/", None, 1.0).url == "http://h:1"
    for url in ("h:1", "ftp://h", "", 3):
        with pytest.raises(UsageError, match="`url` of connect"):
            tt.connect(url)  # pyright: ignore[reportArgumentType]
