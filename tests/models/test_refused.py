"""What cannot be loaded is refused by its own reason, before a weight is read; and the reasons are true."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from trimtab.errors import UnsupportedModelError
from trimtab.models import FAMILIES, REFUSED, load
from trimtab.models.refused import CROSS, ENCODER, LATENT, LATENT_SIZE, OWN_CODE


def of(reason: str) -> list[str]:
    return [kind for kind, why in REFUSED.items() if why.startswith(reason)]


def written(folder: Path, **config: Any) -> Path:
    """A checkpoint's folder without weights: a refusal comes before these are missed."""
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("kind", REFUSED)
def test_an_architecture_is_refused_by_its_reason_before_weights_are_read(kind: str, tmp_path: Path):
    with pytest.raises(UnsupportedModelError) as refused:
        load(written(tmp_path, model_type=kind, auto_map={"AutoModel": "code.Model"}))
    assert f"model_type {kind!r}, and {REFUSED[kind]}; load a model of a known family (" in str(refused.value)


@pytest.mark.parametrize("kind", ["mistral3", "deepseek_v3", "a_new_one"])
def test_latent_attention_is_seen_in_the_configuration(kind: str, tmp_path: Path):
    with pytest.raises(UnsupportedModelError, match="its attention is latent"):
        load(written(tmp_path, model_type=kind, text_config={"model_type": "mistral4", LATENT_SIZE: 256}))


def test_no_family_is_refused():
    assert not set(REFUSED) & set(FAMILIES)


def test_encoders_with_decoders_are_such():
    for kind in of(ENCODER):
        assert AutoConfig.for_model(kind).is_encoder_decoder, kind


def test_latent_and_cross_attention_are_those_of_the_configurations():
    for kind in of(LATENT):
        assert getattr(AutoConfig.for_model(kind).text_config, LATENT_SIZE) > 0
    for kind in of(CROSS):
        own = AutoConfig.for_model(kind)
        text = own.get_text_config()
        assert getattr(text, "cross_attention_layers", None) or getattr(own, "cross_layer_interval", None), kind


def test_what_brings_its_own_code_is_unknown_to_transformers():
    for kind in of(OWN_CODE):
        assert kind not in CONFIG_MAPPING, kind


def test_got_ocr2_has_eager_attention_alone():
    modeling: Any = import_module("transformers.models.got_ocr2.modeling_got_ocr2")
    assert not modeling.GotOcr2PreTrainedModel._supports_sdpa


def test_every_family_names_the_checkpoints_it_was_written_for():
    own = [family for family in FAMILIES.values() if type(family).__module__.startswith("trimtab.models.families.")]
    named = [checkpoint for family in own for checkpoint in family.checkpoints]
    assert len(own) >= 17
    for family in own:  # one that is published as a part of another's checkpoints alone has none
        assert family.checkpoints or any(other is not family and isinstance(other, type(family)) for other in own)
    assert len(set(named)) == len(named)
    assert all(name.count("/") == 1 for name in named)
