"""Pictures of any size: as many positions are counted without reading pixels as are shown and have features."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.engine import Prompt, encode
from trimtab.errors import DataError
from trimtab.models import FAMILIES, Model
from trimtab.testing import TINY_FAMILIES, picture, tiny_model

SIDES = st.integers(15, 300)
SEEING = [family for family in TINY_FAMILIES if "image" in FAMILIES[family].processors]


@cache
def made(family: str) -> Model:
    return tiny_model(family, layers=2, check=False)


@pytest.mark.parametrize("family", SEEING)
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(width=SIDES, height=SIDES)
def test_positions_are_the_same_by_three_ways_of_counting(family, width, height):
    model = made(family)
    encoded = encode(model, Prompt("What is it?", [picture(0, (width, height))]))
    counted = model.family.count_positions(model.hf, model.image_processor, width, height)
    [features] = model.family.embed_media(model.hf, encoded.media)
    assert counted == len(encoded.spans["image"]) == len(features)


def test_a_picture_of_one_position_is_refused_where_the_models_own_code_fails_on_it():
    model = made("mistral3")
    with pytest.raises(
        DataError, match="must be larger than 14 pixels in height or width.*; it is 14 x 8; scale it up"
    ):
        model.show("image", picture(0, (14, 8)))
    assert model.show("image", picture(0, (15, 8))).n_tokens == 2
