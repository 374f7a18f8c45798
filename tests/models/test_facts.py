"""Each fact that a family can state: the fast path does what the model itself does, and the self-check finds a lie."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import pytest
import torch

from tests.models.odd_families import ODD, odd
from trimtab.engine import AddVector, BlockAttention, Prompt, Read, Row, encode, generate, run
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError, UsageError
from trimtab.models import Model
from trimtab.testing import picture, sound

CONTEXT = "Two cats play with a ball in the garden."


@cache
def model_of(name: str) -> Model:
    return odd(name)


def rows(model: Model) -> list[Row]:
    """Prompts that share, with edits of every reach: at the end, in the context, at the media."""
    shown = {"audio": [sound(1)]}
    prompts = [
        Prompt("What is it?", picture(1), CONTEXT, media=shown),
        Prompt("Who is happy?", picture(1), CONTEXT, media=shown),
        Prompt("Who is happy?", picture(1), media=shown),
        Prompt("What is it?", (picture(2), picture(3)), media={"audio": [sound(2, 0.6)]}),
        Prompt("What is it?", (), CONTEXT),
    ]
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    first = encode(model, prompts[0])
    inside = int(first.spans["image"][2])  # a token in the middle of a picture
    edits = [
        AddVector(1, vector, 2.0, "last_prompt"),
        AddVector(2, vector, 1.0, "all"),
        BlockAttention(("context",), ("question",), layers=(1, 2)),
        BlockAttention((0,), (inside,), layers=(1,)),
    ]
    return [Row(p) for p in prompts] + [Row(prompts[0], (edit,)) for edit in edits] + [Row(prompts[1], (edits[0],))]


def same(model: Model) -> None:
    asked, read = rows(model), Read(hidden=(0, 3), heads=(1,))
    fast, plain = run(model, asked, read), run(model, asked, read, reuse=False)
    torch.testing.assert_close(fast.logits, plain.logits, atol=2e-5, rtol=1e-5)
    for layer in (0, 3):
        torch.testing.assert_close(fast.hidden[layer], plain.hidden[layer], atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(fast.heads[1], plain.heads[1], atol=2e-5, rtol=1e-5)
    answers = [generate(model, asked, max_new_tokens=5, reuse=reuse).tokens for reuse in (True, False)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", ODD)
def test_the_fast_path_does_what_the_model_itself_does(name):
    same(model_of(name))


@pytest.mark.parametrize(
    ("name", "lie", "message"),
    [
        ("deepstack", {"decoder_inputs": lambda *_: {}}, "media, masks and rotary positions"),
        ("deepstack", {"streams": lambda _s, _h: 3}, "must have features"),
        ("per_layer_ids", {"decoder_inputs": lambda _s, _h, e: {"token_ids": e["ids"] * 0}}, "media, masks"),
        ("media_see_media", {"mask": "causal"}, "media, masks"),
        ("prompt_sees_prompt", {"mask": "media"}, "media, masks"),
        ("layer_norm", {"norm": "rms"}, "final norm is of kind 'rms'"),
        ("rms_plus_one", {"norm": "layer"}, "final norm is of kind 'layer'"),
        ("rms_plus_one", {"norm": "rms"}, "final norm is of kind 'rms'"),
        ("rows_of_tiles", {"windows": lambda _s, _h: (None, 16, None, None)}, r"layer 1 to 16 of 4096 tokens"),
        ("rows_of_tiles", {"expand": lambda _s, _m, text: text}, "image positions"),
    ],
)
def test_the_self_check_finds_a_family_that_is_wrong(name: str, lie: dict[str, Any], message: str):
    with pytest.raises(UnsupportedModelError, match=message):
        odd(name, **lie)


def test_a_prompt_is_never_cut_inside_tokens_that_see_each_other():
    model = model_of("media_see_media")
    asked = rows(model)[:4]
    first = encode(model, cast(Prompt, asked[0].prompt))
    assert first.blocks is not None
    assert {int(b) for b in first.blocks[first.spans["image"]]} == {0}
    assert {int(b) for b in first.blocks[first.spans["audio"]]} == {1}
    assert run(model, asked).cost.tokens < run(model, asked, reuse=False).cost.tokens


def test_edges_both_ways_are_not_cut_by_half():
    model, prompt = model_of("media_see_media"), Prompt("What is it?", picture(1), CONTEXT)
    with pytest.raises(UsageError, match="`target` of BlockAttention must come after `source`"):
        run(model, [Row(prompt, (BlockAttention(("image",), ("image",), layers=(1,)),))])
    same_prompt = Row(prompt, (BlockAttention(("image",), ("context", "last"), layers=(1,)),))
    assert run(model, [same_prompt]).receipt.entries


def test_prompts_that_see_all_of_themselves_share_nothing():
    model = model_of("prompt_sees_prompt")
    asked = [rows(model)[0]] * 3
    assert run(model, asked).cost.tokens == run(model, asked, reuse=False).cost.tokens
    causal = model_of("layer_norm")
    asked = [rows(causal)[0]] * 3
    assert run(causal, asked).cost.tokens < run(causal, asked, reuse=False).cost.tokens / 2


@pytest.mark.parametrize("name", ["deepstack", "per_layer_ids", "media_see_media"])
def test_a_pass_without_what_the_family_needs_is_refused(name):
    model = model_of(name)
    prompt = encode(model, Prompt("What is it?", picture(1)))
    with pytest.raises(UnsupportedMethodError, match="`extras` of a pass must be given"):
        model.decode(model.embed(prompt.ids, prompt.media)[None], torch.ones(1, len(prompt)), prompt.positions[:, None])


@pytest.mark.parametrize("name", ["layer_norm", "rms_plus_one", "rows_of_tiles"])
def test_directions_before_the_norm_add_up_to_logits(name):
    model = model_of(name)
    prompt = Prompt("What is it?", picture(1), CONTEXT)
    found = run(model, [prompt], Read(hidden=(3,)))
    state, unembedding = found.hidden[3][0], model.lm_head.get_parameter("weight")
    direct = model.before_norm(unembedding, state) @ state
    norm: Any = model.family.final_norm(model.hf)
    bias = getattr(norm, "bias", None)
    direct = direct if bias is None else direct + unembedding @ bias
    torch.testing.assert_close(direct, found.logits[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model.lm_head(model.normed(state)), direct, atol=1e-4, rtol=1e-4)


def test_a_family_refuses_jobs_with_a_reason():
    model = odd("rows_of_tiles", refuses={"contribution": "its layers are linear"}, check=False)
    with pytest.raises(UnsupportedMethodError, match="`contribution` must suit .*: its layers are linear"):
        model.require("contribution")
    model.require("steering")
    with pytest.raises(UnsupportedMethodError, match="see each other"):
        odd("rows_of_tiles", mask="prompt", check=False).require("contribution", sees=1)
