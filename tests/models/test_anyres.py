"""LLaVA-1.6 and LLaVA-OneVision: tiles, ends of rows and scaled features are those of their own code, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlavaNextConfig, LlavaOnevisionConfig
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.modeling_llava_next import LlavaNextForConditionalGeneration, LlavaNextModel
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from tests.engine.test_contract import assert_same
from trimtab.engine import Prompt, encode, run
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError, UsageError
from trimtab.media import open_picture
from trimtab.models import FAMILIES as KNOWN
from trimtab.models import MediaInput, Model, from_parts
from trimtab.models.families.llava_onevision import LlavaOnevision
from trimtab.testing import picture, tiny_model

FAMILIES = ("llava_next", "llava_onevision")
SIZES = [(56, 56), (84, 56), (56, 112), (30, 30), (200, 90)]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Model:
    return tiny_model(request.param)


def limited(model: Model, most: int) -> Model:
    """Wrap the model as loading with `max_pixels` does."""
    processor = deepcopy(model.image_processor)
    model.family.limit_pixels(processor, most)
    return from_parts(model.hf, model.tokenizer, processor, model.chat_template)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_what_a_prompt_shows_is_what_its_own_processor_makes_of_it(model, number):
    pictures = [picture(i, size) for i, size in enumerate(SIZES[:number])]
    media = encode(model, Prompt("What is it?", pictures)).media
    own = model.image_processor(images=[pictures], return_tensors="pt")
    given = model.family.joined(media)
    assert given.keys() == own.keys()
    for name, tensor in given.items():
        assert torch.equal(tensor, own[name])


def test_one_picture_has_other_positions_than_the_same_among_several_where_the_model_says_so(model):
    shown = picture(0, (84, 56))
    [alone], among = (encode(model, Prompt("What?", [shown] * n)).media for n in (1, 2))
    first, second, third = model.embed_media([among[0], alone, among[1]])
    assert torch.equal(first, third)
    tile = 4 * 4
    if model.family.name == "llava_next":
        assert torch.equal(first, second)
        assert len(first) == tile + 6 * (8 + 1)  # 84 x 56 fit 56 x 56 pixels at 6 of 8 rows
    else:
        assert (len(first), len(second)) == (tile + 1, tile + 4 * (6 + 1))  # 8 x 12 features are scaled down
        assert model.embed_media([among[0]])[0].shape == first.shape


def test_a_limit_leaves_the_resolutions_that_it_allows(model):
    most = 28 * 56
    small = limited(model, most)
    family, processor = small.family, small.image_processor
    assert small.report.max_pixels == most
    assert family.limit_pixels(processor, 10**6, at_most_own=True) == most
    for size in [*SIZES, (4000, 3), (3, 4000), (2000, 1900)]:
        shown = small.show("image", picture(0, size))
        assert shown.n_tokens == family.count_positions(small.hf, processor, *size)
        assert 1 < shown.grid[0] <= 1 + 2
    assert small.show("image", picture(0, (30, 30))).tensors["image_sizes"].tolist() == [[28, 28]]
    prompts = [Prompt("What is it?", [picture(0, size)]) for size in SIZES]
    assert_same(run(small, prompts).logits, run(small, prompts, reuse=False).logits)
    with pytest.raises(UsageError, match=r"`max_pixels` of load must be at least \d+ for llava_"):
        family.limit_pixels(processor, 27)


def test_a_processor_with_resolutions_of_its_own_is_refused(model):
    processor = deepcopy(model.image_processor)
    processor.image_grid_pinpoints = [[28, 28 * 7]]
    with pytest.raises(UnsupportedModelError, match="`image_grid_pinpoints` of the image processor must be among"):
        from_parts(model.hf, model.tokenizer, processor, model.chat_template)


def test_features_that_are_no_square_are_refused(model):
    wrong = {"default": "full", "full": "default"}[model.hf.config.vision_feature_select_strategy]
    hf: Any = deepcopy(model.hf)
    hf.config.vision_feature_select_strategy = wrong
    with pytest.raises(UnsupportedModelError, match="`vision_feature_select_strategy` of llava_"):
        from_parts(hf, model.tokenizer, model.image_processor, model.chat_template)


def test_features_of_several_layers_side_by_side(model):
    hf: Any = model.hf
    config = deepcopy(hf.config)
    config.vision_feature_layer = [-2, -1]
    torch.manual_seed(0)
    several = from_parts(type(hf)(config), model.tokenizer, model.image_processor, model.chat_template)
    assert several.hf.model.multi_modal_projector.linear_1.in_features == 2 * config.vision_config.hidden_size


def test_llava_next_with_a_tower_without_class_token_and_several_layers():
    """As IBM's Granite Vision is."""
    model = tiny_model("llava_next")
    config: Any = deepcopy(model.hf.config)
    config.vision_config = deepcopy(tiny_model("llava_onevision").hf.config.vision_config)
    config.vision_feature_layer, config.vision_feature_select_strategy = [-3, -1], "full"
    torch.manual_seed(0)
    hf: Any = LlavaNextForConditionalGeneration(config)
    seeing = from_parts(hf, model.tokenizer, model.image_processor, model.chat_template)
    assert seeing.show("image", picture(0, (84, 56))).n_tokens == model.show("image", picture(0, (84, 56))).n_tokens


def test_counterfactual_pictures_are_refused(model):
    with pytest.raises(UnsupportedMethodError, match="`image_counterfactual` must"):
        encode(model, Prompt("What?", [picture(0)], image_counterfactual="shuffle"))


@cache
def released(family: str) -> tuple[Any, Any, Any]:
    """A model of the default sizes, which are those released, without weights; its image processor, and its own."""
    config: Any
    if family == "llava_next":
        size = {"shortest_edge": 336}
        processor = LlavaNextImageProcessorPil(size=size, crop_size={"height": 336, "width": 336})
        own, config = LlavaNextProcessor.__new__(LlavaNextProcessor), LlavaNextConfig()
        vars(own).update(patch_size=14, num_additional_image_tokens=1, side=336)
    else:
        processor = LlavaOnevisionImageProcessorPil()
        own, config = LlavaOnevisionProcessor.__new__(LlavaOnevisionProcessor), LlavaOnevisionConfig()
        vars(own).update(num_image_tokens=729, vision_aspect_ratio="anyres_max_9", side=384)
    vars(own).update(image_processor=processor)
    with torch.device("meta"):
        hf = LlavaNextModel(config) if family == "llava_next" else LlavaOnevisionModel(config)
    return SimpleNamespace(model=hf, config=config), processor, own


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_positions_at_released_sizes_are_as_many_as_its_own_processor_counts(family, width, height):
    hf, processor, own = released(family)
    said = own._get_number_of_features(height, width, own.side, own.side) - (family == "llava_next")
    assert KNOWN[family].count_positions(hf, processor, width, height) == said


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(4000, 3), (3, 4000), (1, 1)])
def test_a_picture_of_any_shape_is_shown(family, size):
    hf, processor, _ = released(family)
    shown = KNOWN[family].show(hf, processor, "image", open_picture(picture(0, size)), "")
    assert shown.n_tokens == KNOWN[family].count_positions(hf, processor, *size)
    assert shown.tensors["pixel_values"].shape[1] == shown.grid[0] > 1


class Mistaken(LlavaOnevision):
    """Says of several pictures that each is alone."""

    def joined(self, media: Sequence[MediaInput]) -> dict[str, torch.Tensor]:
        return {**super().joined(media), "batch_num_images": torch.ones(len(media), dtype=torch.long)}


def test_the_self_check_tries_several_pictures_where_they_are_treated_otherwise():
    model = tiny_model("llava_onevision")
    with pytest.raises(UnsupportedModelError, match="failed the self-check of family llava_onevision"):
        from_parts(model.hf, model.tokenizer, model.image_processor, model.chat_template, family=Mistaken())
