"""What a request may ask, and what is made of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from trimtab.circuits import HeadSet
from trimtab.engine import Predictor, Prompt, encode
from trimtab.errors import ArtifactError, TrimtabError, UnsupportedMethodError, UsageError
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.serving import Bank, ServedModel, Wanted, read_wanted
from trimtab.serving.phases import LAST, Span
from trimtab.serving.requests import KEY, Find, cache_key, resolved, steering_of
from trimtab.serving.settings import Settings
from trimtab.serving.words import finder
from trimtab.steering import Artifact


def vector(model: Model, target: Modality = "image", **parts: object) -> Artifact:
    given = {"layer": 1, "direction": torch.ones(model.hidden_size), **parts}
    return Artifact("mean", target, model.name, model.fingerprint, **given)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def facts(model: Model) -> ServedModel:
    return ServedModel.of(model)


@pytest.fixture
def bank(model: Model, facts: ServedModel, tmp_path: Path) -> Bank:
    found = Bank(facts)
    for target in ("image", "text"):
        folder = vector(model, target, strength=2.0).save(tmp_path / f"both-{target}")
        found.put(found.read("both", folder))
    found.put(found.read("one", vector(model, positions="all").save(tmp_path / "one")))
    return found


def test_a_plain_request_asks_for_nothing():
    assert read_wanted(None) == read_wanted({}) == read_wanted({"kv_transfer_params": {}}) == ()
    assert read_wanted({"artifact": "a", "strength": 2, "target": "image"}) == (Wanted("a", 2.0, "image"),)


def test_a_request_names_several_artifacts_in_their_order():
    assert read_wanted({"artifact": ["a", "b"]}) == (Wanted("a"), Wanted("b"))
    both = {"artifact": ["a", "b"], "strength": [2, -1], "target": "text"}
    assert read_wanted(both) == (Wanted("a", 2.0, "text"), Wanted("b", -1.0, "text"))
    assert read_wanted({"artifact": ["a", "b"], "strength": 3}) == (Wanted("a", 3.0), Wanted("b", 3.0))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"artefact": "a"}, "no fields but artifact, strength, target, question; got 'artefact'"),
        ({"strength": 1.0}, "must name an artifact of the server, or be a list of up to 4"),
        ({"artifact": []}, "must name an artifact of the server"),
        ({"artifact": ["a", ""]}, "must name an artifact of the server"),
        ({"artifact": ["a", 3]}, "must name an artifact of the server"),
        ({"artifact": list("abcde")}, "must name an artifact of the server"),
        ({"artifact": ["a", "b"], "strength": [1.0]}, r"`strength` of vllm_xargs must be one value, or a list .*\(2\)"),
        ({"artifact": "a", "target": ["image", "text"]}, "`target` of vllm_xargs must be one value, or a list"),
        ({"artifact": ["a", "b"], "strength": [1.0, "much"]}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "a", "strength": "much"}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "a", "strength": True}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "a", "strength": float("nan")}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "a", "strength": 1e9}, "`strength` of vllm_xargs must be a number"),
        ({"artifact": "a", "target": 3}, "`target` of vllm_xargs"),
        ({KEY: {"digest": "x"}}, "no fields but"),
    ],
)
def test_a_bad_request_is_refused_in_a_sentence(given: dict[str, object], says: str):
    with pytest.raises(UsageError, match=says):
        read_wanted(given)


def test_the_target_tells_artifacts_of_one_name_apart(bank: Bank):
    assert bank.find(Wanted("both", target="text")).artifact.target == "text"
    with pytest.raises(UsageError, match="must say which artifact 'both' is meant"):
        bank.find(Wanted("both"))
    with pytest.raises(UsageError, match="steers toward"):
        bank.find(Wanted("one", target="text"))
    with pytest.raises(UsageError, match=r"offers \(both, one\); got 'two'"):
        bank.find(Wanted("two"))
    assert len(bank.remove("both")) == 2
    with pytest.raises(UsageError, match="'both'"):
        bank.find(Wanted("both", target="text"))


def nowhere(words: str) -> Span:
    raise AssertionError(f"{words!r} was looked for")


def steered(bank: Bank, given: dict[str, object], find: Find = nowhere) -> dict[str, Any]:
    """How a request is to be steered."""
    found = steering_of(resolved(bank, given, find))
    assert found is not None
    return found


def test_a_request_travels_with_the_digest_of_what_it_asked_for(bank: Bank):
    (part,) = steered(bank, {"artifact": "both", "target": "text"})["parts"]
    assert part["strength"] == 2.0
    assert part["digest"] == bank.find(Wanted("both", target="text")).digest
    assert resolved(bank, {"artifact": "one", "strength": 0}, nowhere) is None
    assert steering_of({"kv_transfer_params": {}}) is None


def test_several_artifacts_travel_in_their_order(bank: Bank):
    asked: dict[str, object] = {"artifact": ["one", "both", "both"], "target": ["image", "text", "image"]}
    found = steered(bank, asked | {"strength": [1, 2, 0]})["parts"]
    assert [(part["artifact"], part["target"], part["strength"]) for part in found] == [
        ("one", "image", 1.0),
        ("both", "text", 2.0),
    ]
    with pytest.raises(UsageError, match="must name each artifact once; got 'one' twice"):
        resolved(bank, {"artifact": ["one", "one"]}, nowhere)
    with pytest.raises(UsageError, match=r"offers \(both, one\); got 'two'"):
        resolved(bank, {"artifact": ["one", "two"]}, nowhere)


def test_only_blocks_from_the_first_steered_token_on_are_cached_apart(bank: Bank):
    late, early = steered(bank, {"artifact": "both", "target": "text"}), steered(bank, {"artifact": "one"})
    digests = [one["parts"][0]["digest"] for one in (late, early)]
    assert cache_key(late, 40, 32) is None
    assert cache_key(late, 40, 39) is None
    assert cache_key(late, 40, 40) == (KEY, (digests[0], 2.0, 39))
    assert cache_key(early, 40, 16) == (KEY, (digests[1], 1.0, 0))


def test_a_block_is_known_by_all_artifacts_that_have_begun_and_by_their_order(bank: Bank):
    asked: dict[str, object] = {"artifact": ["both", "one"], "target": ["text", "image"]}
    one = steered(bank, asked)
    other = steered(bank, {name: values[::-1] for name, values in asked.items()})  # type: ignore[index]
    early = steered(bank, {"artifact": "one"})
    assert cache_key(one, 40, 32) == cache_key(other, 40, 32) == cache_key(early, 40, 32)
    found = cache_key(one, 40, 48), cache_key(other, 40, 48)
    assert found[0] is not None
    assert found[1] == (found[0][0], *found[0][:0:-1])
    assert found[0] != found[1]


def test_a_server_refuses_what_it_cannot_do_in_one_pass(model: Model, facts: ServedModel, tmp_path: Path):
    hidden = model.hidden_size
    network = Predictor(torch.ones(2, hidden), torch.ones(2), torch.ones(hidden, 2), torch.ones(hidden))
    refused = {
        "instruction": Artifact("instruction", "image", model.name, model.fingerprint, instruction="Look."),
        "dropped": Artifact("drop", "image", model.name, model.fingerprint, without=("text",)),
        "early": Artifact("l2s", "image", model.name, model.fingerprint, layer=1, direction=network, positions="all"),
    }
    for name, artifact in refused.items():
        with pytest.raises(UnsupportedMethodError, match="in the one pass"):
            Bank(facts).read(name, artifact.save(tmp_path / name))
    with pytest.raises(UsageError, match="rename its folder"):
        Bank(facts).read("../up", tmp_path)


def test_head_sets_are_offered_with_the_instruction_that_they_follow(model: Model, facts: ServedModel, tmp_path: Path):
    values = torch.ones(1, 1, model.head_dims[0])
    mean = HeadSet.of(model, "image", [(0, 0)], strength=-1.0, scope="last", reference="mean", values=values)
    bank = Bank(facts)
    bank.put(bank.read("mean", mean.save(tmp_path / "mean")))
    (told,) = bank.about()
    assert (told["method"], told["instruction"], told["layers"]) == ("heads", mean.instruction, [0])
    (part,) = steered(bank, {"artifact": "mean"})["parts"]
    assert (part["begins"], part["strength"]) == (LAST, -1.0)
    assert resolved(bank, {"artifact": "mean", "strength": 0}, nowhere) is None
    with pytest.raises(UsageError, match="must be -1 or 0; got 0.5"):
        resolved(bank, {"artifact": "mean", "strength": 0.5}, nowhere)


def test_a_head_set_that_acts_at_the_question_must_be_told_it(model: Model, facts: ServedModel, tmp_path: Path):
    bank = Bank(facts)
    bank.put(bank.read("worded", HeadSet.of(model, "image", [(0, 0)]).save(tmp_path / "worded")))
    assert bank.about()[0]["asks_for_question"]
    places = {"Look.": (3, 5), "Who?": (9, 12)}
    with pytest.raises(UsageError, match="`question` of vllm_xargs must come with artifact 'worded'"):
        resolved(bank, {"artifact": "worded"}, places.__getitem__)
    for wrong in (3, ["Who?", ""], [None]):
        with pytest.raises(UsageError, match="`question` of vllm_xargs must be a text"):
            resolved(bank, {"artifact": "worded", "question": wrong}, places.__getitem__)
    found = steered(bank, {"artifact": "worded", "question": ["Look.", "Who?"]}, places.__getitem__)
    assert found["named"] == [(3, 5), (9, 12)]
    assert cache_key(found, 20, 3) is None
    assert cache_key(found, 20, 4) == (KEY, (found["parts"][0]["digest"], 1.0, 3, 3, 5, 9, 12))
    other = steered(bank, {"artifact": "worded", "question": "Look."}, places.__getitem__)
    assert cache_key(other, 20, 4) != cache_key(found, 20, 4)


def test_the_questions_tokens_are_those_of_the_engine_here(model: Model):
    prompt = Prompt(
        "What colour is it?",
        [Image.new("RGB", (40, 40), "red")],
        context="It's blue.\n Blue, I say.",
        instruction="Look.",
    )
    body, ranges = prompt.body()
    encoded = encode(model, prompt)
    content = [{"type": "image"}, {"type": "text", "text": body}]
    text = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=model.chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    ids, shown = encoded.ids.tolist(), encoded.span("image").tolist()
    find = finder(model.tokenizer, text, ids, [(shown[0], shown[-1] + 1)])
    for name in ("instruction", "question"):
        first, end = find(body[slice(*ranges[name])])
        assert list(range(first, end)) == encoded.span(name).tolist()
    for words, count in (("Blue", 1), ("blue", 1), ("l", 5), ("green", 0)):
        if count == 1:
            assert find(words)[0] < find(words)[1]
        else:
            with pytest.raises(UsageError, match="must hold texts that stand once"):
                find(words)
    with pytest.raises(UsageError, match="whose text is written as its tokens are"):
        finder(model.tokenizer, text, [*ids, ids[-1]], [(shown[0], shown[-1] + 1)])("Look.")
    with pytest.raises(UsageError, match="stand once"):
        finder(model.tokenizer, None, ids, [])("Look.")


def test_an_artifact_of_another_model_is_refused(model: Model, facts: ServedModel, tmp_path: Path):
    own = vector(model).save(tmp_path / "own")
    other = ServedModel(**{**facts.__dict__, "fingerprint": "0" * 16})
    with pytest.raises(ArtifactError, match="must be the one it was fitted on"):
        Bank(other).read("own", own)


def test_facts_and_settings_survive_the_way_to_another_process(model: Model, facts: ServedModel, tmp_path: Path):
    file = facts.save(tmp_path / "facts.json")
    assert ServedModel.load(file) == facts
    folder = vector(model).save(tmp_path / "bank" / "own")
    settings = Settings(file, (("first", folder),), tmp_path / "bank")
    found = Settings.read(settings.environment())
    assert found is not None
    assert found == settings
    assert [offer.name for offer in found.open()] == ["first"]
    assert found.folder("own") == folder
    (tmp_path / "bank" / "link").symlink_to(tmp_path)
    for name in ("..", "link", "none", "a/b", 3):
        with pytest.raises(TrimtabError, match="`name` of an artifact"):
            found.folder(name)
    assert Settings.read({}) is None
