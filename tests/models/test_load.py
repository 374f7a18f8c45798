"""Loading: the same path for tiny, bundled and Hub models; what does not hold is refused."""

from typing import Any, cast

import pytest
import torch

from trimtab.engine import Prompt, encode, run
from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.models import FAMILIES, from_parts, load, self_check
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.testing import picture, tiny_model


@pytest.fixture
def folder(model, tmp_path):
    model.hf.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    model.image_processor.save_pretrained(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(model.chat_template)
    return tmp_path


def test_a_saved_folder_loads_to_the_same_model(model, folder):
    again = load(folder, device="cpu")
    prompt = Prompt("What is it?", (picture(),), "a dog")
    assert again.fingerprint == model.fingerprint
    torch.testing.assert_close(run(again, [prompt]).logits, run(model, [prompt]).logits)


def test_fingerprint_survives_a_change_of_dtype_and_sees_a_change_of_weights(model, folder):
    assert load(folder, device="cpu", dtype="bfloat16").fingerprint == model.fingerprint
    other = tiny_model(model.family.name, seed=1)
    assert other.fingerprint != model.fingerprint


def test_saving_does_not_change_the_fingerprint(tmp_path):
    model = tiny_model("llava")
    before = weights_fingerprint(model.hf)
    cast(Any, model.hf).save_pretrained(tmp_path)  # sets config.architectures
    assert weights_fingerprint(model.hf) == before


def test_bfloat16_and_eager_pass_the_self_check(model, folder):
    loaded = load(folder, device="cpu", dtype="bfloat16", attention="eager")
    assert loaded.dtype == torch.bfloat16
    assert torch.isfinite(run(loaded, [Prompt("What is it?", (picture(),))]).logits).all()


def test_parameters_are_frozen(model):
    assert not any(p.requires_grad for p in model.hf.parameters())
    assert not model.hf.training


def test_an_unknown_family_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UnsupportedModelError, match=r"known family \(.*llava, .*qwen2_5_vl.*\).*'bert'"):
        load(tmp_path)


def test_a_name_or_file_that_cannot_be_read_is_refused(model, folder):
    with pytest.raises(UsageError, match=r"bundled name .*, a model folder or a Hub id; .*nowhere cannot be loaded"):
        load(folder / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"cannot be loaded .*folder is complete"):
        load(folder)


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match="exclude each other"):
        load("pocket-qwen", device="cpu", device_map="auto")
    with pytest.raises(UsageError, match="`dtype` of load"):
        load("pocket-qwen", dtype="int8")
    for wrong in ({}, "nonsense", {"": "nowhere"}, {"": "cuda:99"}, 3):
        with pytest.raises(UsageError, match="`device_map` of load must be one of auto"):
            load("pocket-qwen", device_map=wrong)  # pyright: ignore[reportArgumentType]


def test_a_folder_has_no_revisions(folder):
    with pytest.raises(UsageError, match="`revision` of load must be left out for a folder"):
        load(folder, revision="v1")


class Wrong:
    """A family that tells one lie."""

    def __init__(self, family, **lies):
        self._family = family
        self._lies = lies

    def __getattr__(self, name):
        return self._lies.get(name) or getattr(self._family, name)


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"layers": lambda hf: FAMILIES["llava"].layers(hf)[:-1]}, "4 decoder layers must run"),
        ({"head_outputs": lambda layer: layer.mlp.down_proj}, "4 heads of width 16"),
        ({"positions": lambda hf, ids, pixels: torch.arange(len(ids))[None] * 2}, "rotary positions"),
        ({"placeholders": lambda hf: {"image": 5}}, "image positions|image token"),
    ],
)
def test_the_self_check_catches_a_wrong_family_file(lie, message):
    model = tiny_model("llava", check=False)
    model.family = cast(Any, Wrong(model.family, **lie))
    with pytest.raises((UnsupportedModelError, ValueError), match=message):
        self_check(model)


def test_a_missing_chat_template_is_refused(model):
    tokenizer = model.tokenizer
    with pytest.raises(UnsupportedModelError, match="chat_template"):
        from_parts(model.hf, tokenizer, model.image_processor, None, name="m")


def test_equal_pictures_are_encoded_once(model):
    calls = []
    original = model.family.embed_media

    class Counting:
        def __getattr__(self, name):
            return getattr(original.__self__, name)

        def embed_media(self, hf, pixels):
            calls.append(len(pixels))
            return original(hf, pixels)

    family, model.family = model.family, Counting()
    try:
        model.forget_media()
        run(model, [Prompt(q, (picture(7),)) for q in ("What is it?", "How many?", "Who?")])
        run(model, [Prompt("Where?", (picture(7),))])
    finally:
        model.family = family
    assert calls == [1]


def test_qwen_positions_cannot_be_left_out():
    model = tiny_model("qwen2_5_vl")
    encoded = encode(model, Prompt("What is it?", (picture(0, (84, 56)),), "a dog"))
    inputs = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    without = {k: v for k, v in inputs.items() if k != "mm_token_type_ids"}
    assert torch.equal(model.hf(**without).logits, model.hf(**inputs).logits)
    options = {"max_new_tokens": 5, "do_sample": False}
    assert torch.equal(model.hf.generate(**without, **options), model.hf.generate(**inputs, **options))  # pyright: ignore
    assert torch.equal(model.hf.generate(**without, **options)[0, -5:], model.hf.generate(**inputs, **options)[0, -5:])  # pyright: ignore
