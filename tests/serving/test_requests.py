"""What a request may ask, and what is made of it."""

from pathlib import Path

import pytest
import torch

from trimtab.circuits import HeadSet
from trimtab.engine import Predictor
from trimtab.errors import ArtifactError, TrimtabError, UnsupportedMethodError, UsageError
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.serving import Bank, ServedModel, Wanted, read_wanted
from trimtab.serving.requests import KEY, cache_key, resolved, steering_of
from trimtab.serving.settings import Settings
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
    assert read_wanted(None) is None
    assert read_wanted({}) is None
    assert read_wanted({"kv_transfer_params": {}}) is None
    assert read_wanted({"artifact": "a", "strength": 2, "target": "image"}) == Wanted("a", 2.0, "image")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"artefact": "a"}, "no fields but artifact, strength, target; got 'artefact'"),
        ({"strength": 1.0}, "must name one artifact"),
        ({"artifact": ["a"]}, "must name one artifact"),
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


def test_a_request_travels_with_the_digest_of_what_it_asked_for(bank: Bank):
    extra = resolved(bank, {"artifact": "both", "target": "text"})
    steering = steering_of(extra)
    assert steering is not None
    assert steering["strength"] == 2.0
    assert steering["digest"] == bank.find(Wanted("both", target="text")).digest
    assert resolved(bank, {"artifact": "one", "strength": 0}) is None
    assert steering_of({"kv_transfer_params": {}}) is None


def test_only_blocks_from_the_first_steered_token_on_are_cached_apart(bank: Bank):
    late = steering_of(resolved(bank, {"artifact": "both", "target": "text"}))
    early = steering_of(resolved(bank, {"artifact": "one"}))
    assert late is not None
    assert early is not None
    assert cache_key(late, 40, 32) is None
    assert cache_key(late, 40, 39) is None
    assert cache_key(late, 40, 40) == (KEY, late["digest"], 2.0, 39)
    assert cache_key(early, 40, 16) == (KEY, early["digest"], 1.0, 0)


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
    worded = HeadSet.of(model, "image", [(0, 0)])
    with pytest.raises(UnsupportedMethodError, match="at the tokens of the question.*the scope 'last' or 'all'"):
        Bank(facts).read("worded", worded.save(tmp_path / "worded"))
    with pytest.raises(UsageError, match="rename its folder"):
        Bank(facts).read("../up", tmp_path)


def test_head_sets_are_offered_with_the_instruction_that_they_follow(model: Model, facts: ServedModel, tmp_path: Path):
    values = torch.ones(1, 1, model.head_dims[0])
    mean = HeadSet.of(model, "image", [(0, 0)], strength=-1.0, scope="last", reference="mean", values=values)
    bank = Bank(facts)
    bank.put(bank.read("mean", mean.save(tmp_path / "mean")))
    (told,) = bank.about()
    assert (told["method"], told["instruction"], told["layers"]) == ("heads", mean.instruction, [0])
    steering = steering_of(resolved(bank, {"artifact": "mean"}))
    assert steering is not None
    assert (steering["begins"], steering["strength"]) == ("from_last_prompt", -1.0)
    assert resolved(bank, {"artifact": "mean", "strength": 0}) is None
    with pytest.raises(UsageError, match="must be -1 or 0; got 0.5"):
        resolved(bank, {"artifact": "mean", "strength": 0.5})


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
