"""Shapes of pictures: what a processor refuses is said before it fails, and what it takes is not distorted."""

import numpy as np
import pytest
import torch
from PIL import Image

import trimtab as tt
from trimtab.errors import DataError
from trimtab.models import Model
from trimtab.testing import picture, tiny_model


@pytest.mark.parametrize("size", [(1, 1), (1, 150), (150, 1), (3, 40), (40, 3), (3, 3), (200, 1)])
def test_odd_shapes_are_taken(model: Model, size):
    prompt = tt.Prompt("What is it?", picture(0, size), "A dog.")
    assert torch.isfinite(tt.run(model, prompt).logits).all()
    assert (
        tt.generate(model, prompt, max_new_tokens=2).tokens
        == tt.generate(model, prompt, max_new_tokens=2, reuse=False).tokens
    )


@pytest.mark.parametrize("size", [(1, 400), (2000, 8), (201, 1)])
def test_a_ratio_that_the_processor_refuses_is_a_data_error(size):
    model = tiny_model("qwen2_5_vl")
    with pytest.raises(
        DataError, match=rf"an image of {size[0]} x {size[1]} pixels is refused .*200.*; crop or pad it\.$"
    ):
        tt.run(model, tt.Prompt("What is it?", picture(0, size)))


def test_what_the_processor_raises_later_is_a_data_error(monkeypatch):
    model = tiny_model("llava")
    monkeypatch.setattr(
        type(model.image_processor), "rescale", lambda *_, **__: (_ for _ in ()).throw(ValueError("odd."))
    )
    with pytest.raises(DataError, match=r"refused by the model's image processor \(odd\)"):
        tt.run(model, tt.Prompt("What is it?", picture()))


def test_a_picture_that_would_be_scaled_beyond_memory_is_refused():
    model = tiny_model("llava")
    with pytest.raises(DataError, match=r"an image of 1 x 65000 pixels is too narrow .* scales its short side to 56"):
        tt.run(model, tt.Prompt("What is it?", Image.new("RGB", (1, 65_000))))


@pytest.mark.parametrize("side", [1, 3, 4])
def test_a_picture_as_high_as_it_has_channels_is_not_taken_for_channels(model: Model, side):
    pixels = np.zeros((side, 40 * side, 3), np.uint8)
    pixels[:, : 20 * side] = (250, 10, 10)
    few = model.show("image", Image.fromarray(pixels)).tensors["pixel_values"]
    many = model.show("image", Image.fromarray(pixels.repeat(8, 0).repeat(8, 1))).tensors["pixel_values"]
    assert abs(few.mean() - many.mean()) < 0.1
    assert few.std() > 0.9  # half red, half black, if blurred
