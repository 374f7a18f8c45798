"""Prompts take pictures in any form, and one prompt needs no list."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import trimtab as tt
from trimtab.errors import MissingImageError, UsageError
from trimtab.items import MediaBytes, MediaFile
from trimtab.models import Model
from trimtab.testing import picture


@pytest.fixture
def path(tmp_path):
    picture(1).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_every_form_is_the_same_prompt(model: Model, path):
    array = np.asarray(picture(1))
    forms = [path, str(path), path.read_bytes(), picture(1), array, MediaFile(path), MediaBytes(path.read_bytes())]
    prompts = [tt.Prompt("What is it?", images=form) for form in forms]
    prompts += [tt.Prompt("What is it?", images=several) for several in ((str(path),), [array])]
    logits = tt.run(model, prompts).logits
    assert all(len(prompt.images) == 1 for prompt in prompts)
    assert torch.equal(logits, logits[:1].expand(len(prompts), -1))
    assert len({model.show("image", prompt.images[0]).key for prompt in prompts}) == 1


def test_none_and_several():
    assert (
        tt.Prompt("What?").images
        == tt.Prompt("What?", images=None).images
        == tt.Prompt("What?", images=[]).images
        == ()
    )
    assert [p.size for p in tt.Prompt("What?", [picture(1), np.asarray(picture(2, (84, 56)))]).images] == [
        (56, 56),
        (84, 56),
    ]


def test_a_prompt_keeps_its_pictures_when_it_is_changed():
    prompt = tt.Prompt("What?", picture(1))
    for changed in (
        replace(prompt, question="Why?"),
        prompt.with_instruction("Look."),
        prompt.with_media("image", prompt.images),
    ):
        assert changed.images[0] is prompt.images[0]
    assert prompt.without("image").images == ()


def test_a_picture_that_is_changed_or_closed_later_is_still_the_one_that_was_given(path):
    with Image.open(path) as image:
        prompt = tt.Prompt("What?", image)
    image.close()
    assert np.array_equal(np.asarray(prompt.images[0]), np.asarray(picture(1)))


def test_what_is_no_picture_is_refused_when_the_prompt_is_made():
    with pytest.raises(MissingImageError, match=r"image missing.png is not there; check the path"):
        tt.Prompt("What?", images="missing.png")
    with pytest.raises(UsageError, match="got int"):
        tt.Prompt("What?", images=(3,))  # pyright: ignore[reportArgumentType]


def test_one_prompt_needs_no_list(model: Model):
    prompt = tt.Prompt("What is it?", picture(1))
    assert torch.equal(tt.run(model, prompt).logits, tt.run(model, [prompt]).logits)
    assert torch.equal(tt.run(model, tt.Row(prompt), reuse=False).logits, tt.run(model, [prompt], reuse=False).logits)
    assert tt.generate(model, prompt, max_new_tokens=2).tokens == tt.generate(model, [prompt], max_new_tokens=2).tokens


def test_a_picture_given_to_the_model_goes_through_the_same_door(model: Model):
    sideways = Image.fromarray(np.ascontiguousarray(np.rot90(np.asarray(picture(3, (84, 56))))))
    sideways.getexif()[0x0112] = 6
    assert model.show("image", sideways).key == model.show("image", picture(3, (84, 56))).key


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "Prompt: missing a required argument: 'question'; it takes question, images"),
        ({"question": 3}, "`question` of Prompt must be text; got 3"),
        (
            {"question": "What?", "image": picture()},
            "Prompt: got an unexpected keyword argument 'image'.*did you mean 'images'",
        ),
        ({"question": "What?", "context": ["a"]}, "`context` of Prompt must be text or none"),
        ({"question": "What?", "choices": "AB"}, "`choices` of Prompt must be a list, each text; got 'AB'"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused_when_it_is_made(given, match):
    with pytest.raises(UsageError, match=match):
        tt.Prompt(**given)
