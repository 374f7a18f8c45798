"""One rule of decoding: the fast path is the plain reference to the token, under every way of choosing."""

from typing import Any

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from tests.engine.prompts import varied_prompts
from trimtab.engine import AddVector, Contrast, Decoding, Prompt, Row, encode, generate
from trimtab.engine.local.choosing import Chooser
from trimtab.errors import UsageError
from trimtab.models import Model

WAYS = [
    Decoding(),
    Decoding(repetition_penalty=1.3),
    Decoding(temperature=0.8, seed=1),
    Decoding(temperature=1.3, top_k=12, top_p=0.9, repetition_penalty=1.1, seed=2),
]


def rows(model: Model) -> list[Row]:
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    prompts = varied_prompts()
    return [*map(Row, prompts), *[Row(p, (AddVector(1, vector, 1.5),)) for p in prompts[:3]], Row(prompts[0])]


@pytest.mark.parametrize("decoding", WAYS)
def test_fast_path_equals_the_plain_reference_to_the_token(model: Model, decoding: Decoding):
    fast = generate(model, rows(model), max_new_tokens=6, decoding=decoding)
    plain = generate(model, rows(model), max_new_tokens=6, decoding=decoding, reuse=False)
    assert fast.tokens == plain.tokens
    assert fast.finished == plain.finished


SETTINGS = {
    "repetition_penalty": 1.5,
    "no_repeat_ngram_size": 1,
    "num_beams": 3,
    "min_new_tokens": 6,
    "do_sample": True,
    "forced_eos_token_id": 5,
    "bad_words_ids": [[7]],
    "suppress_tokens": list(range(5, 60)),
    "max_length": 3,
    "cache_implementation": "static",
    "prompt_lookup_num_tokens": 3,
    "temperature": 0.1,
    "guidance_scale": 2.0,
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_checkpoints_own_settings_reach_neither_path(model: Model, monkeypatch, setting: str):
    prompts = varied_prompts()[:2]
    expected = generate(model, prompts, max_new_tokens=5).tokens
    settings: Any = model.hf.generation_config
    monkeypatch.setattr(settings, setting, SETTINGS[setting])
    assert generate(model, prompts, max_new_tokens=5).tokens == expected
    assert generate(model, prompts, max_new_tokens=5, reuse=False).tokens == expected
    assert model.hf.generation_config is settings


@pytest.mark.parametrize("decoding", WAYS[2:])
def test_a_rows_sample_does_not_depend_on_its_batch(model: Model, decoding: Decoding):
    asked = rows(model)[:-1]
    together = generate(model, asked, max_new_tokens=5, decoding=decoding).tokens
    assert together == [generate(model, [row], max_new_tokens=5, decoding=decoding).tokens[0] for row in asked]
    assert together == generate(model, asked, max_new_tokens=5, decoding=decoding, batch_size=2).tokens
    backwards = generate(model, asked[::-1], max_new_tokens=5, decoding=decoding).tokens
    assert together == backwards[::-1]


def test_equal_rows_get_different_samples_and_seeds_matter(model: Model):
    prompt, decoding = varied_prompts()[0], Decoding(temperature=1.5)
    four = generate(model, [prompt] * 4, max_new_tokens=6, decoding=decoding).tokens
    assert len(set(map(tuple, four))) == 4
    assert four == generate(model, [prompt] * 4, max_new_tokens=6, decoding=decoding).tokens
    other = Decoding(temperature=1.5, seed=7)
    assert four != generate(model, [prompt] * 4, max_new_tokens=6, decoding=other).tokens


def test_drawing_at_almost_no_temperature_is_greedy(model: Model):
    prompts = varied_prompts()
    greedy = generate(model, prompts, max_new_tokens=4).tokens
    assert generate(model, prompts, max_new_tokens=4, decoding=Decoding(temperature=1e-4)).tokens == greedy


@pytest.mark.parametrize("options", [{}, {"top_k": 5}, {"top_p": 0.9}])
@pytest.mark.parametrize("temperature", [1e-38, 1e-300])
def test_a_temperature_that_no_float32_holds_is_greedy(temperature: float, options: dict):
    logits = torch.randn(4, 200, generator=torch.Generator().manual_seed(0)) * 10
    chooser = Chooser(Decoding(temperature=temperature, **options), [], list("abcd"))
    assert torch.equal(chooser(logits), logits.argmax(-1))


def test_options_mean_what_they_mean_in_transformers(model: Model):
    logits = torch.randn(3, 200, generator=torch.Generator().manual_seed(0))
    decoding = Decoding(temperature=0.7, top_k=30, top_p=0.8)
    prompts = [encode(model, p) for p in varied_prompts()[:3]]
    ours = Chooser(decoding, prompts, ["a", "b", "c"]).kept(logits)
    theirs = logits
    for warper in (TemperatureLogitsWarper(0.7), TopKLogitsWarper(30), TopPLogitsWarper(0.8)):
        theirs = warper(torch.zeros(3, 1, dtype=torch.long), theirs)  # pyright: ignore[reportArgumentType]
    assert 1 < int(ours.isfinite().sum()) < 90
    torch.testing.assert_close(ours.softmax(-1), theirs.softmax(-1))


def test_the_penalty_is_that_of_the_models_own_generate(model: Model):
    prompt = encode(model, varied_prompts()[0])
    ours = generate(model, [prompt], max_new_tokens=6, decoding=Decoding(repetition_penalty=1.4)).tokens[0]
    inputs = model.family.native_inputs(model.hf, prompt.ids, prompt.media)
    theirs = model.hf.generate(  # pyright: ignore[reportCallIssue]
        **inputs, max_new_tokens=6, do_sample=False, repetition_penalty=1.4, eos_token_id=sorted(model.stop_tokens)
    )
    assert theirs[0, len(prompt) :].tolist()[: len(ours)] == ours


def test_draws_follow_the_probabilities():
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf, 0.5]]).expand(4000, -1)
    chooser = Chooser(Decoding(temperature=1.0), [], [str(k) for k in range(4000)])
    shares = torch.bincount(chooser(logits), minlength=5) / 4000
    torch.testing.assert_close(shares, logits[0].softmax(-1), atol=0.03, rtol=0)
    assert shares[3] == 0


def test_contrasts_follow_the_rule_too(model: Model):
    prompts = [p for p in varied_prompts() if p.images and p.context][:3]
    contrasts = [Contrast((Row(p), Row(p.without("image"))), (2.0, -1.0), 0.05) for p in prompts]
    decoding = Decoding(temperature=1.2, repetition_penalty=1.2, seed=3)
    together = generate(model, contrasts, max_new_tokens=5, decoding=decoding).tokens
    assert together == [generate(model, [c], max_new_tokens=5, decoding=decoding).tokens[0] for c in contrasts]
    assert together != generate(model, contrasts, max_new_tokens=5).tokens
    alone = [Contrast((Row(p),), (1.0,), 1e-9) for p in prompts]  # one branch, nothing implausible: the row itself
    drawn = Decoding(temperature=1.2, top_p=0.95, seed=3)  # log-probabilities and logits are penalised differently
    assert (
        generate(model, alone, max_new_tokens=5, decoding=drawn).tokens
        == generate(model, prompts, max_new_tokens=5, decoding=drawn).tokens
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "`temperature` of Decoding"),
        ({"temperature": float("nan")}, "`temperature` of Decoding"),
        ({"temperature": "hot"}, "got 'hot'"),
        ({"top_p": 0.9}, "temperature above 0"),
        ({"top_k": 5}, "temperature above 0"),
        ({"temperature": 1, "top_p": 1.5}, "above 0 and at most 1"),
        ({"temperature": 1, "top_k": 0}, "at least 1; got 0"),
        ({"temperature": 1, "top_k": 2.5}, "whole number"),
        ({"repetition_penalty": 0}, "in 0.001..1000"),
        ({"repetition_penalty": 1e-40}, "in 0.001..1000"),
        ({"repetition_penalty": 1e30}, "in 0.001..1000"),
        ({"seed": 1.5}, "whole number"),
    ],
)
def test_what_means_nothing_is_refused(options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        Decoding(**options)


def test_a_decoding_must_be_one(model: Model):
    with pytest.raises(UsageError, match="`decoding` of generate must be a Decoding"):
        generate(model, [Prompt("What?")], decoding={"temperature": 1})  # pyright: ignore[reportArgumentType]
