"""The training code computes what the shipped models compute."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
import torch
from training.batch import Reader
from training.loop import Run
from training.measure import Share
from training.pixels import normalised, qwen_patches
from training.prompts import Mixture, example, step_examples

import trimtab
from trimtab import pocket
from trimtab.engine import Prompt, encode

ITEMS = pocket.items("validation")[:8]


@pytest.mark.parametrize("name", pocket.CHECKPOINTS)
def test_pixels_and_tokens_equal_the_engines(name):
    model = trimtab.load(name)
    reader = Reader(model.hf, model.tokenizer)
    asked = [example(item, "irrelevant", random.Random(0)) for item in ITEMS]
    for item, row in zip(ITEMS, reader._rows(asked), strict=True):
        prompt = Prompt(item.question, images=(item.scene.render(),), context=item.irrelevant_context)
        encoded = encode(model, prompt)
        assert row.ids[: row.prompt_tokens] == encoded.ids.tolist()
        pixels = normalised([item.scene])
        mine = qwen_patches(pixels) if name == "pocket-qwen" else pixels
        torch.testing.assert_close(mine, encoded.media[0].tensors["pixel_values"])


@pytest.mark.parametrize("name", pocket.CHECKPOINTS)
def test_options_end_where_the_heads_look(name):
    model = trimtab.load(name)
    reader = Reader(model.hf, model.tokenizer)
    asked = step_examples(Mixture(items=0, closed_book=0, both=0, classification=4), random.Random(1))
    for row, example_ in zip(reader._rows(asked), asked, strict=True):
        until = [model.tokenizer.decode(row.ids[: end + 1]) for end in row.option_ends]
        assert all(text.endswith(option) for text, option in zip(until, example_.options, strict=True))
        assert "ABCD"[row.right_option] == example_.answer


FAST_EQUALS_STOCK = """
import copy, sys, torch
from training import speed, tokenizer
from training.architecture import build
from training.pixels import image_tokens, normalised
from trimtab.pocket import items

scenes = [item.scene for item in items("validation")[:3]]
ids = torch.arange(60)[None] % 40 + 100
model = build(sys.argv[1]).eval()
with torch.no_grad():
    stock = image_tokens(model, normalised(scenes)), model(input_ids=ids).logits
    speed.enable()
    model.set_attn_implementation(speed.ATTENTION)
    fast = image_tokens(model, normalised(scenes)), model(input_ids=ids).logits
for first, second in zip(stock, fast, strict=True):
    torch.testing.assert_close(first, second, atol=2e-4, rtol=1e-4)
"""


@pytest.mark.parametrize("name", pocket.CHECKPOINTS)
def test_fast_forms_equal_the_stock_ones(name):
    # A process of its own, since the fast forms replace methods of transformers' classes.
    done = subprocess.run([sys.executable, "-c", FAST_EQUALS_STOCK, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_training_holds_no_conflict_without_an_instruction():
    rng = random.Random(0)
    for item in ITEMS:
        for condition in ("image", "text", "agreeing", "irrelevant"):
            asked = example(item, condition, rng)
            assert asked.scene is None or item.context not in asked.body


def test_steps_are_drawn_from_their_number():
    assert step_examples(Mixture(), random.Random(7)) == step_examples(Mixture(), random.Random(7))


def test_share_interval():
    share = Share(90, 100)
    low, high = share.interval
    assert (round(low, 1), round(high, 1)) == (82.6, 94.5)


def _stage(folder, rate=1e-2):
    torch.manual_seed(0)
    layers = torch.nn.ModuleDict({"layers": torch.nn.ModuleList([torch.nn.Linear(2, 2)])})
    return Run(folder, {"model": layers}, {"": rate}, steps=4, warmup=1)


def _loss(run, until):
    def loss(step):
        if step == until:
            raise KeyboardInterrupt
        return run.modules["model"]["layers"][0](torch.full((1, 2), 1.0 + step)).square().sum(), {}

    return loss


def test_a_killed_stage_resumes_to_the_same_weights_and_a_changed_one_is_refused(tmp_path):
    whole = _stage(tmp_path / "whole")
    whole.train(_loss(whole, None), save_every=1)
    killed = _stage(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        killed.train(_loss(killed, 2), save_every=1)
    with pytest.raises(ValueError, match="same settings"):
        _stage(tmp_path / "killed", rate=1e-3)
    resumed = _stage(tmp_path / "killed")
    assert resumed.step == 2
    resumed.train(_loss(resumed, None), save_every=1)
    torch.testing.assert_close(resumed.modules["model"].state_dict(), whole.modules["model"].state_dict())
