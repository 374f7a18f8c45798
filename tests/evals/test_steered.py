"""What a program that evaluates is told of a model, and what it gets back; no such program is needed here."""

from typing import Any

import pytest
import torch

import trimtab as tt
from trimtab.engine import AddVector, Contrast, Edit, Prompt, ScaleHeads, encode, inputs
from trimtab.errors import NothingEditedError, UnsupportedMethodError, UsageError
from trimtab.integrations.evals.likelihoods import likelihoods, token_likelihoods
from trimtab.integrations.evals.lmms.visuals import media_of, visuals_of
from trimtab.integrations.evals.parts import parts_of, prompt_of
from trimtab.integrations.evals.settings import Settings
from trimtab.integrations.evals.settings import settings_of as read_settings
from trimtab.integrations.evals.steered import Steered, load_steered
from trimtab.media import medium_kind
from trimtab.models import Model
from trimtab.steering import Artifact

NEW_TOKENS = 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "`pretrained` of model_args must name the model; it is missing"),
        ({"pretraind": "pocket-qwen"}, "`model_args` must be among pretrained, .*; got 'pretraind'; did you mean"),
        ({"pretrained": "p", "strength": 2}, "`strength` of model_args must come with an artifact"),
        ({"pretrained": "p", "target": "image"}, "`target` of model_args must come with an artifact"),
        ({"pretrained": "p", "artifact": "a", "strength": "much"}, "`strength` of model_args must be"),
        ({"pretrained": "p", "artifact": "a", "target": "imag"}, "must be one of image, .* did you mean 'image'"),
        ({"pretrained": "p", "artifact": True}, "`artifact` of model_args must be"),
        ({"pretrained": "p", "dtype": "int8"}, "`load.dtype` of model_args must be"),
        ({"pretrained": "no-such-model-here"}, "no-such-model-here"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(options: dict[str, Any], says: str):
    with pytest.raises(UsageError, match=says) as refused:
        load_steered(options, "model_args")
    assert "\n" not in str(refused.value)


def vector(model: Model, **parts: Any) -> Artifact:
    given = {"layer": 1, "direction": 4 * torch.ones(model.hidden_size), **parts}
    return Artifact("mean", "image", model.name, model.fingerprint, **given)


def test_an_artifact_toward_another_target_is_refused(model: Model, tmp_path, monkeypatch):
    monkeypatch.setattr("trimtab.integrations.evals.steered.load", lambda _name: model)
    folder = vector(model).save(tmp_path / "a")
    with pytest.raises(UsageError, match="`target` of model_args must be that of the artifact, image; got 'text'"):
        load_steered({"pretrained": "tiny", "artifact": str(folder), "target": "text"}, "model_args")
    steered = load_steered({"pretrained": "tiny", "artifact": str(folder), "strength": 2}, "model_args", 3)
    assert (steered.strength, steered.batch_size, steered.longest) == (2, 3, 32)
    assert steered.name == f"{model.name} under mean toward the image at 2"


def test_replies_are_those_of_the_engine_and_a_prompt_that_cannot_be_taken_costs_itself(model: Model):
    artifact, prompts = vector(model), [Prompt("What is it?"), Prompt("word " * 10_000), Prompt("What color?")]
    found = Steered(model, artifact, 2.0).answer(prompts, tt.Decoding(), NEW_TOKENS)
    taken = [prompts[0], prompts[2]]
    plain = tt.generate(model, artifact.asks(model, taken, 2.0), max_new_tokens=NEW_TOKENS)
    assert [found.texts[0], found.texts[2]] == plain.texts
    assert (found.texts[1], [*found.refused]) == ("", [1])
    assert found.receipt.positions == plain.receipt.positions > 0
    nothing = Steered(model, artifact).answer(prompts[1:2], tt.Decoding(), NEW_TOKENS)
    assert (nothing.texts, [*nothing.refused]) == ([""], [0])


def edits_of(model: Model, name: str) -> tuple[Edit, ...]:
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(1))
    return {
        "none": (),
        "from_last_prompt": (AddVector(1, direction, 2.0),),
        "all": (AddVector(0, direction, 1.0, "all"),),
        "generated_only": (AddVector(1, direction, 2.0, "generated_only"),),
        "heads": (ScaleHeads(0, (0,), ("all",), 0.0), AddVector(1, direction, 2.0, "last_prompt")),
    }[name]


@pytest.mark.parametrize("name", ["none", "from_last_prompt", "all", "generated_only", "heads"])
def test_a_reply_is_as_likely_as_when_the_model_itself_generates_it(model: Model, name: str):
    # Words after which these random models generate no token that stands for a picture.
    prompt, edits, hf = Prompt("Which animal?", context="A cat."), edits_of(model, name), model.hf
    given: Any = inputs(model, prompt)
    asked = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "return_dict_in_generate": True, "output_logits": True}
    with tt.applied(model, edits):
        found: Any = hf.generate(**given, **asked, eos_token_id=None)  # pyright: ignore[reportCallIssue]
    tokens = found.sequences[0, given["input_ids"].shape[1] :].tolist()
    steps = [float(step[0].log_softmax(-1)[token]) for step, token in zip(found.logits, tokens, strict=True)]
    other = [70 + (token == 70) for token in tokens[:2]]
    (whole, begun, wrong), receipt = token_likelihoods(model, encode(model, prompt), edits, [tokens, tokens[:2], other])
    assert whole.log_probability == pytest.approx(sum(steps), abs=1e-4)
    assert begun.log_probability == pytest.approx(sum(steps[:2]), abs=1e-4)
    assert (whole.greedy, begun.greedy, wrong.greedy) == (True, True, False)
    assert (whole.tokens, begun.tokens) == (NEW_TOKENS, 2)
    assert len(receipt.entries) == len(edits)
    assert wrong.log_probability < begun.log_probability


def test_what_has_no_likelihood_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch):
    prompt = Prompt("What is it?")
    row = tt.Row(prompt)
    with pytest.raises(UsageError, match="`replies` of likelihoods must hold text"):
        token_likelihoods(model, encode(model, prompt), (), [[1], []])
    with pytest.raises(NothingEditedError):
        likelihoods(model, tt.Row(prompt, edits_of(model, "generated_only")), ["a"])
    monkeypatch.setattr(Steered, "asks", lambda _self, _prompts: [Contrast((row, row), (2.0, -1.0))])
    with pytest.raises(UnsupportedMethodError, match="must answer by one row where likelihoods are asked for"):
        Steered(model, vector(model)).likelihoods(prompt, ["a"])


def test_a_prompt_keeps_its_parts_unless_a_program_changed_its_text():
    whole = Prompt("Which?", context="A cat.", instruction="Follow it.", choices=("cat", "dog"))
    text, parts = whole.body()[0], parts_of(whole)
    again = prompt_of(text, {}, parts)
    assert (again.context, again.instruction, again.choices) == ("A cat.", "Follow it.", ("cat", "dog"))
    longer = prompt_of(f"Example.\n{text}", {}, parts)
    assert (longer.context, longer.body()[0]) == (None, f"Example.\n{text}")
    assert prompt_of("<image> What? <image>", {}).body()[0] == "What?"
    for wrong in ("{", '{"question": "Which?"}', "[]", 3):
        with pytest.raises(UsageError, match="`trimtab_prompt` of a document must be JSON with question"):
            prompt_of(text, {}, wrong)


def test_visuals_become_media_of_their_kinds():
    picture, sound, clip = (medium_kind(kind).example() for kind in ("image", "audio", "video"))
    given = visuals_of({"image": (picture,), "audio": (sound,), "video": (clip,)})
    assert set(given[1]) == {"array", "sampling_rate"}
    assert {kind: len(own) for kind, own in media_of([*given, None, picture]).items()} == {
        "image": 2, "audio": 1, "video": 1
    }  # fmt: skip
    assert media_of(None) == {}
    assert media_of(["a.png", "b.wav", "c.mp4"]) == {"image": ["a.png"], "audio": ["b.wav"], "video": ["c.mp4"]}
    with pytest.raises(UsageError, match="`doc_to_visual` must give pictures, sounds and clips"):
        media_of([3])


def settings_of(given: dict[str, Any]) -> Settings:
    return read_settings(given, "generation_kwargs")


def test_a_task_s_settings_are_read_as_lmms_eval_means_them():
    assert settings_of({}) == settings_of({"do_sample": False, "temperature": 0.7, "top_p": 0.5, "num_beams": 1})
    drawn = settings_of({"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 5, "until": "\n"})
    assert (drawn.decoding.temperature, drawn.decoding.top_p, drawn.longest) == (0.7, 0.9, 5)
    assert settings_of({"do_sample": True}).decoding.temperature == 1
    assert settings_of({"until": ["stop", "\n"]}).ended("a cat\nstop") == "a cat"
    with pytest.raises(UsageError, match="`num_beams` of generation_kwargs must be 1"):
        settings_of({"num_beams": 4})
