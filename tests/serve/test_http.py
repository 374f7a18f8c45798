"""``trimtab serve``: vLLM's own server with the plug-in, over HTTP, and ``tt.connect`` to it."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

import trimtab as tt
from tests.serve.running import KEY, OPERATORS, PATIENCE, Running
from tests.serve.subject import TOGETHER
from trimtab.engine import Prompt, Read, Row, generate, run
from trimtab.errors import ServerError, UnsupportedEngineError
from trimtab.interference import DiagnosisConfig, diagnose
from trimtab.items import read_items
from trimtab.items.prompts import prompt_for
from trimtab.serving.client import ServedEngine

pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-serve` makes an environment of its own")
pytestmark = pytest.mark.timeout(PATIENCE + 300)

ITEMS = list(read_items("pocket-mc2:test"))[:24]


@pytest.fixture
def engine(server: Running) -> ServedEngine:
    return tt.connect(server.url, key=KEY)


def rows(server: Running) -> list[Row]:
    """Each artifact and none, over prompts with pictures."""
    own = server.artifacts
    ways = [(), *(artifact.edits() for artifact in own.values())]
    ways += [tuple(edit for name in names for edit in own[name].edits()) for names in TOGETHER]
    prompts = [prompt_for(item) for item in ITEMS]
    return [Row(prompt, ways[k % len(ways)]) for k, prompt in enumerate(prompts * 2)]


def test_answers_are_those_of_the_local_engine(server: Running, engine: ServedEngine):
    asked = rows(server)
    mine, theirs = generate(engine, asked, max_new_tokens=12), generate(server.model, asked, max_new_tokens=12)
    assert mine.tokens == theirs.tokens
    assert (mine.texts, mine.finished) == (theirs.texts, theirs.finished)
    assert {(e.edit, e.layer, e.rows) for e in mine.receipt.entries.values()} == {
        (e.edit, e.layer, e.rows) for e in theirs.receipt.entries.values()
    }


def test_the_likeliest_tokens_are_those_of_the_local_engine(server: Running, engine: ServedEngine):
    late = [*server.artifacts["generated"].edits(), *server.artifacts["network-generated"].edits()]
    asked = [row for row in rows(server)[:16] if {edit.name for edit in row.edits}.isdisjoint(e.name for e in late)]
    read = Read(logits=False, top=5)
    mine, theirs = run(engine, asked, read).top, run(server.model, asked, read).top
    assert mine is not None
    assert theirs is not None
    for one, other in zip(mine, theirs, strict=True):
        assert list(one)[0] == list(other)[0]
        assert one == {token: pytest.approx(other[token], abs=1e-4) for token in one}


def test_evaluation_runs_on_a_server_as_on_a_model(server: Running, engine: ServedEngine):
    own = [server.artifacts["network"], server.artifacts["learned"]]
    methods = [method(target="image") for method in (tt.NoSteering, tt.Instruction)]
    found, wanted = (
        tt.evaluate(model, ITEMS, [*(method.fit(model, ITEMS) for method in methods), *own], strengths=[0.5])
        for model in (engine, server.model)
    )
    assert found.answers.equals(wanted.answers)


def test_interference_by_generation_runs_on_a_server_as_on_a_model(server: Running, engine: ServedEngine):
    items = list(read_items("pocket-interference:test"))[:24]
    config = DiagnosisConfig(scoring=("generation",), max_new_tokens=6)
    found, wanted = (diagnose(model, items, config) for model in (engine, server.model))
    names = [name for name in wanted.answers.columns if name != "model"]
    assert found.answers[names].equals(wanted.answers[names])
    with pytest.raises(UnsupportedEngineError, match="LOGITS"):
        diagnose(engine, items, DiagnosisConfig())


def test_several_pictures_are_steered_as_here(server: Running, engine: ServedEngine):
    pictures = [item.image.open() for item in ITEMS[:2] if item.image is not None]
    edits = server.artifacts["network"].edits()
    asked = [Row(Prompt("What color is it?", pictures, f"It is {word}."), edits) for word in ("red", "blue")]
    mine, theirs = (generate(model, asked, max_new_tokens=8) for model in (engine, server.model))
    assert mine.tokens == theirs.tokens
    assert mine.receipt.entries.keys() == theirs.receipt.entries.keys()


def test_several_answers_and_a_stream_are_steered_as_one_is(server: Running):
    def tokens(asked: object = None, **more: Any) -> list[list[int]]:
        _, told = server.chat(asked, return_token_ids=True, **more)
        return [choice["token_ids"] for choice in told["choices"]]

    plain = tokens()
    moving = (name for name in server.artifacts if not name.startswith("worded") and not name.endswith("-mean"))
    asked = next(one for name in moving if tokens(one := {"artifact": name, "strength": 4.0}) != plain)
    assert tokens(asked, n=2, temperature=0.01, seed=0) == tokens(asked) * 2  # as good as greedy
    _, one = server.chat(asked)
    _, told = server.chat(asked, stream=True)
    chunks = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == one["choices"][0]["message"]["content"]


def test_what_a_server_cannot_do_is_refused_by_name(engine: ServedEngine):
    with pytest.raises(UnsupportedEngineError, match="LOGITS"):
        run(engine, prompt_for(ITEMS[0]))
    with pytest.raises(UnsupportedEngineError, match="HIDDEN"):
        tt.L2S(target="image").fit(engine, ITEMS)


@pytest.mark.parametrize(
    ("xargs", "says"),
    [
        ({"artifact": "none"}, "`artifact` must be one that the server offers"),
        ({"artefact": "all"}, "no fields but artifact, strength, target, question"),
        ({"artifact": "all", "strength": "much"}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "all", "strength": 1e9}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "all", "target": "text"}, "`target` of vllm_xargs"),
        ({"artifact": []}, "must name an artifact of the server, or be a list of up to 4 names"),
        ({"artifact": ["all", "last", "generated", "given", "network"]}, "be a list of up to 4 names"),
        ({"artifact": ["all", 3]}, "be a list of up to 4 names"),
        ({"artifact": ["all", "none"]}, "`artifact` must be one that the server offers"),
        ({"artifact": ["all", "all"]}, "must name each artifact once"),
        ({"artifact": ["all", "last"], "strength": [1]}, "`strength` of vllm_xargs must be one value, or a list"),
        ({"artifact": ["all", "last"], "strength": [1, "much"]}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "worded"}, "`question` of vllm_xargs must come with artifact 'worded'"),
        ({"artifact": "worded", "question": "What colour is the pear?"}, "must hold texts that stand once"),
        ({"trimtab": "all"}, "no fields but"),
        ({"artifact": {"name": "all"}}, "vllm_xargs"),
        ({"artifact": None}, "vllm_xargs"),
        ("all", "vllm_xargs"),
    ],
)
def test_a_bad_request_is_refused_and_the_server_lives(server: Running, xargs: object, says: str):
    code, told = server.chat(xargs)
    assert code == 400
    assert says in told["error"]["message"]
    assert server.chat({"artifact": "all"})[0] == 200


def test_every_route_asks_for_the_key_but_those_that_say_how_the_server_is(server: Running):
    _, told = server.call("/openapi.json")
    paths = {path: list(methods) for path, methods in told["paths"].items()}
    assert {"/v1/chat/completions", "/invocations", "/tokenize", "/v1/steering/artifacts"} <= set(paths)
    paths |= {"/docs": ["get"], "/openapi.json": ["get"], "/nowhere": ["get"]}
    free = []
    for path, methods in paths.items():
        for method in methods:
            code, _ = server.call(path.replace("{", "").replace("}", ""), {}, key=None, method=method.upper())
            free += [] if code == 401 else [path]
    assert set(free) <= {"/health", "/ping", "/version", "/metrics"}
    assert server.call("/health", key=None)[0] == server.call("/metrics", key=None)[0] == 200
    asked = {"model": "pocket-qwen", "messages": [{"role": "user", "content": "What?"}], "max_tokens": 1}
    assert server.call("/invocations", asked, key="another")[0] == 401
    assert server.call("/invocations", asked)[0] == 200


def test_a_body_of_more_than_the_limit_is_not_read(server: Running):
    address = urlsplit(server.url)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n"
    for own, code in (("Content-Length: 67108865", b"413"), ("Transfer-Encoding: chunked", b"411")):
        with socket.create_connection((address.hostname, address.port), timeout=60) as line:
            line.sendall(f"{head}{own}\r\n\r\n".encode())
            assert line.recv(64).split()[1] == code


def test_a_steered_request_cannot_ask_for_beams(server: Running):
    code, told = server.chat({"artifact": "all"}, use_beam_search=True, n=2)
    assert (code, "`use_beam_search` must be false" in told["error"]["message"]) == (400, True)
    assert server.chat(use_beam_search=True, n=2)[0] == 200


def test_the_strongest_steering_is_answered(server: Running):
    for name in server.artifacts:
        code, told = server.chat({"artifact": name, "strength": 10000, "question": "What colour"})
        assert code == (400 if name.endswith("-mean") else 200), told  # a mean is put in place or not
    assert server.chat()[1]["kv_transfer_params"] is None


def test_receipts_come_with_replies_and_for_streams_by_a_route(server: Running):
    _, told = server.chat({"artifact": "from-last", "strength": 0.5})
    receipt = told["kv_transfer_params"]["trimtab"]
    (part,) = receipt["artifacts"]
    assert (part["artifact"], part["target"], part["strength"]) == ("from-last", "image", 0.5)
    (edit,) = part["edits"]
    assert (edit["layer"], edit["prompt_positions"]) == (11, 1)
    assert edit["generated_positions"] == told["usage"]["completion_tokens"] - 1
    assert edit["relative_change"] > 0
    asked = {"artifact": "from-last", "strength": 0.5}
    body = {"model": "pocket-qwen", "messages": [{"role": "user", "content": "What colour is the apple?"}]}
    body |= {"max_tokens": 8, "temperature": 0, "stream": True, "vllm_xargs": asked}
    code, _ = server.call("/v1/chat/completions", body, X_Request_Id="mine")
    assert code == 200
    code, told = server.call("/v1/steering/receipts/chatcmpl-mine")
    assert (code, told["receipts"]) == (200, [receipt])
    assert server.call("/v1/steering/receipts/none")[0] == 404


def test_an_answer_that_a_text_stops_has_its_receipt(server: Running):
    asked = {"artifact": "from-last", "strength": 0.25}
    _, told = server.chat(asked, max_tokens=24, ignore_eos=True)
    text, whole = told["choices"][0]["message"]["content"], told["kv_transfer_params"]["trimtab"]
    _, told = server.chat(asked, max_tokens=24, ignore_eos=True, stop=[text[len(text) // 2 :][:4]])
    assert told["choices"][0]["finish_reason"] == "stop"
    (mine,), (full,) = told["kv_transfer_params"]["trimtab"]["artifacts"], whole["artifacts"]
    assert 0 < mine["edits"][0]["generated_positions"] < full["edits"][0]["generated_positions"]
    assert mine["edits"][0]["generated_positions"] == told["usage"]["completion_tokens"] - 1


def test_steered_answers_are_counted_by_artifact(server: Running):
    def count() -> float:
        _, told = server.call("/metrics")
        start = 'trimtab_steered_answers_total{artifact="last",target="image"} '
        return float(next(line for line in told.splitlines() if line.startswith(start)).removeprefix(start))

    assert server.chat({"artifact": "last"})[0] == 200
    before = count()
    assert server.chat({"artifact": "last"})[0] == 200
    assert server.chat({"artifact": "none"})[0] == 400
    assert count() == before + 1


def test_pictures_are_not_fetched(server: Running):
    for url in ("http://127.0.0.1:9/p.png", "https://example.org/p.png", "file:///etc/hostname"):
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is it?"}]
        code, told = server.call(
            "/v1/chat/completions", {"model": "pocket-qwen", "messages": [{"role": "user", "content": content}]}
        )
        assert code >= 400
        assert "allowed" in told["error"]["message"]


def test_artifacts_are_changed_by_operators_alone(server: Running):
    path, asked = "/v1/steering/artifacts", {"name": "added"}
    assert server.call(path, key=None)[0] == 401
    assert server.call(path, asked, key=None)[0] == 401
    code, told = server.call(path, asked)
    assert (code, "operators' key" in told["error"]["message"]) == (401, True)
    assert server.call(path + "/all", key=KEY, method="DELETE")[0] == 401
    assert server.chat({"artifact": "added"})[0] == 400
    for wrong in ({"name": "../own/all"}, {"name": "none"}, {"path": "/"}, b"{", {"name": "added", "folder": "/"}):
        assert server.call(path, wrong, key=OPERATORS)[0] == 400
    assert [offer["name"] for offer in server.call(path)[1]["artifacts"]] == list(server.artifacts)


def test_another_content_of_the_same_name_is_used_from_then_on(server: Running):
    path, text = "/v1/steering/artifacts", "The apple is red. The sky is blue. A dog sits by the door. " * 3

    def answer(name: str) -> Any:
        _, told = server.chat({"artifact": name}, text, logprobs=True)
        return told["choices"][0]["logprobs"]["content"], told["kv_transfer_params"]["trimtab"]["artifacts"][0][
            "digest"
        ]

    digests = set()
    for source in ("all", "from-last", "all"):
        server.artifacts[source].save(server.bank / "added")
        assert server.call(path, {"name": "added"}, key=OPERATORS)[0] == 200
        tokens, digest = answer("added")
        assert tokens == answer(source)[0]
        digests.add(digest)
    assert len(digests) == 2
    assert server.call(path + "/added", key=OPERATORS, method="DELETE")[0] == 200
    assert server.call(path + "/added", key=OPERATORS, method="DELETE")[0] == 400
    assert server.chat({"artifact": "added"})[0] == 400
    assert server.chat({"artifact": "all"})[0] == 200  # the same content under another name


def test_a_server_that_is_not_there_or_wants_a_key_says_so(server: Running, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TRIMTAB_API_KEY", raising=False)
    with pytest.raises(ServerError, match="`key` of connect"):
        tt.connect(server.url)
    with pytest.raises(ServerError, match="`url` of connect"):
        tt.connect("http://127.0.0.1:9")
    monkeypatch.setenv("TRIMTAB_API_KEY", KEY)
    assert tt.connect(server.url + "/v1").name == "pocket-qwen"
