"""Families that hear: the positions of sounds, what their own processors write for them, batches, folders, refusals."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.test_contract import assert_same
from tests.models.folders import edit_weights, save
from trimtab import load
from trimtab.engine import Prompt, encode, generate, run
from trimtab.errors import DataError, UnsupportedModelError
from trimtab.models import Model
from trimtab.testing import SMALL, clip, melody, picture, realistic_checkpoint, tiny_model

SECONDS = (1.0, 0.3, 2.7, 0.09, 3.0, 0.11)


@pytest.fixture(scope="module", params=["qwen2_audio", "voxtral", "qwen2_5_omni_thinker"])
def model(request: pytest.FixtureRequest) -> Model:
    return tiny_model(request.param)


def heard(*which: int, context: str | None = None) -> Prompt:
    return Prompt("What is it?", (), context, media={"audio": [melody(i, SECONDS[i]) for i in which]})


def test_a_prompt_is_what_qwen2_audios_own_processor_makes_of_it():
    """Several sounds: the same ids, features and logits."""
    from transformers import Qwen2AudioProcessor

    model, prompt = tiny_model("qwen2_audio"), heard(0, 1, 4)
    own: Any = Qwen2AudioProcessor(model.processors["audio"], model.tokenizer, model.chat_template)
    encoded = encode(model, prompt)
    content = [*({"type": "audio"} for _ in range(3)), {"type": "text", "text": prompt.body()[0]}]
    text = own.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False)
    given = own(text=text, audio=[melody(i, SECONDS[i]).samples for i in (0, 1, 4)], return_tensors="pt")
    assert encoded.ids.tolist() == given["input_ids"][0].tolist()
    assert len(encoded.spans["audio"]) == sum(m.n_tokens for m in encoded.media)
    hf: Any = model.hf
    assert_same(run(model, [prompt]).logits[0], hf(**given).logits[0, -1])


def test_features_are_what_voxtrals_own_processor_makes_of_sounds_of_any_length():
    """Its class wants a tokenizer of mistral-common to be made, but not for sounds."""
    from transformers import VoxtralProcessor

    model = tiny_model("voxtral")
    extractor, sounds = model.processors["audio"], [melody(i, SECONDS[i]) for i in range(5)]
    facts: Any = SimpleNamespace(feature_extractor=extractor)
    said = VoxtralProcessor.audio_kwargs | {"pad_to_multiple_of": extractor.n_samples}
    most = said.pop("max_source_positions") * extractor.n_samples // 480_000
    theirs = VoxtralProcessor._retrieve_input_features(facts, [s.samples for s in sounds], most, **said)
    media = [model.show("audio", sound) for sound in sounds]
    assert torch.equal(model.family.joined(media)["input_features"], theirs)
    assert [m.n_tokens for m in media] == [25, 25, 75, 25, 75]


def test_features_and_text_are_what_qwen2_5_omnis_own_processor_makes_of_sounds():
    from transformers import Qwen2_5OmniProcessor

    model, sounds = tiny_model("qwen2_5_omni_thinker"), [melody(i, SECONDS[i]) for i in range(5)]
    own: Any = Qwen2_5OmniProcessor
    facts = SimpleNamespace(feature_extractor=model.processors["audio"], audio_token="<|AUDIO|>")
    facts.replace_audio_token = partial(own.replace_audio_token, facts)
    said = {**own.audio_kwargs, "return_tensors": "pt"}
    given, texts = own._process_audio(facts, [sound.samples for sound in sounds], **said)
    media = [model.show("audio", sound) for sound in sounds]
    assert [model.expand(m) for m in media] == [f"<|audio_bos|>{text}<|audio_eos|>" for text in texts]
    for medium, features, mask in zip(media, given["input_features"], given["feature_attention_mask"], strict=True):
        assert torch.equal(medium.tensors["input_features"][0], features[:, mask.bool()])


def test_a_thinkers_positions_are_its_own_with_all_it_is_shown():
    model = tiny_model("qwen2_5_omni_thinker")
    media = {"audio": [melody(0, 1.0), melody(1, 0.3)], "video": [clip(0, 6), clip(1, 4)]}
    prompt = Prompt("What is it?", (picture(0, (84, 56)), picture(1)), "A cat.", media=media)
    encoded = encode(model, prompt)
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    assert_same(run(model, [prompt]).logits[0], model.hf(**given).logits[0, -1])
    bare = {name: tensor for name, tensor in given.items() if name != "attention_mask"}
    assert_same(model.hf(**bare).logits[0, -1], model.hf(**given).logits[0, -1])  # a mask left out is filled in


def test_sounds_change_the_answer_and_batches_of_mixed_lengths_do_not(model):
    prompts = [heard(0), heard(1, 2, context="Two cats play."), heard(3), heard(4, 5, 3)]
    together, own = run(model, prompts).logits, run(model, prompts, reuse=False).logits
    assert_same(together, own)
    assert_same(torch.cat([run(model, [p]).logits for p in prompts]), own)
    answers, plain = generate(model, prompts, max_new_tokens=6), generate(model, prompts, max_new_tokens=6, reuse=False)
    assert answers.tokens == plain.tokens
    other = run(model, [prompts[0].with_media("audio", [melody(9, SECONDS[0])])]).logits
    assert (other - together[:1]).abs().max() > 0.1


def test_a_sound_of_another_rate_is_shown_as_the_same_sound(model):
    fast = melody(0, 1.0, 48000)
    ours = model.show("audio", fast).tensors["input_features"]
    direct = model.show("audio", fast.at_rate(16000)).tensors["input_features"]
    assert torch.equal(ours, direct)


def test_sounds_too_long_or_too_short_are_refused_with_the_numbers():
    model = tiny_model("qwen2_audio")
    with pytest.raises(DataError, match=r"a sound of 3\.50 s is longer than the 3 s that the model hears; cut it"):
        model.show("audio", melody(0, 3.5))
    with pytest.raises(DataError, match=r"a sound of 0\.030 s is too short"):
        model.show("audio", (np.zeros(480), 16000))


def test_a_saved_folder_gives_the_same_model(model, tmp_path):
    again = load(save(model, tmp_path / "saved"), dtype="float32")
    assert again.modalities == model.modalities
    prompts = [heard(0, 1, context="Two cats play.")]
    assert torch.equal(encode(again, prompts[0]).ids, encode(model, prompts[0]).ids)
    assert_same(run(again, prompts).logits, run(model, prompts).logits)


def test_a_released_folder_hears_though_its_tokenizers_template_does_not(tmp_path):
    model = load(realistic_checkpoint(tmp_path, "qwen2-audio-7b", sizes=SMALL), dtype="float32")
    prompt = Prompt("What is it?", (), "A cat.", media={"audio": [melody(0, 1.0, 44100), melody(1, 30.0)]})
    encoded = encode(model, prompt)
    assert [m.n_tokens for m in encoded.media] == [25, 750]
    text = model.tokenizer.decode(encoded.ids).replace("<|AUDIO|>", "")
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "Audio 1: <|audio_bos|><|audio_eos|>\nAudio 2: <|audio_bos|><|audio_eos|>\n"
        f"{prompt.body()[0]}<|im_end|>\n<|im_start|>assistant\n"
    )
    logits = run(model, [prompt]).logits
    assert 0.5 < float(logits.std()) < 2
    with pytest.raises(DataError, match=r"a sound of 31\.00 s is longer than the 30 s"):
        model.show("audio", melody(0, 31.0))


def test_a_released_voxtral_is_asked_as_mistral_common_asks_it(tmp_path):
    """From ``tekken.json`` alone. For these prompts mistral-common 1.13.1 made of this folder the same ids."""
    sizes = {**SMALL, "vision_intermediate": 256}
    model = load(realistic_checkpoint(tmp_path, "voxtral-mini-3b", sizes=sizes), dtype="float32")
    prompt = Prompt("What is it?", (), "The cat's naïve café.", media={"audio": [melody(0, 1.0), melody(1, 31.0)]})
    encoded = encode(model, prompt)
    assert [m.n_tokens for m in encoded.media] == [375, 750]
    ids = encoded.ids.tolist()
    text = model.tokenizer(prompt.body()[0], add_special_tokens=False)["input_ids"]
    assert ids == [1, 3, 25, *[24] * 375, 25, *[24] * 750, *text, 4]
    assert 0.5 < float(run(model, [prompt]).logits.std()) < 2
    assert model.stop_tokens == {2}


def test_of_a_released_qwen2_5_omni_the_thinker_is_loaded_and_the_rest_is_named(tmp_path):
    folder = realistic_checkpoint(tmp_path, "qwen2.5-omni-7b", sizes=SMALL)
    model = load(folder, dtype="float32")
    assert model.modalities == ("image", "text", "audio", "video")
    assert model.report.notes == (
        f"Tensors that {folder} holds beside what is loaded were left out: 1 of talker, 1 of token2wav.",
    )
    media = {"audio": [melody(0, 1.0, 44100), melody(1, 40.0)], "video": [clip(0, 4)]}
    prompt = Prompt("What is it?", (picture(0, (90, 60)),), "A cat.", media=media)
    assert [m.n_tokens for m in encode(model, prompt).media] == [6, 25, 1000, 288]
    assert 0.5 < float(run(model, [prompt]).logits.std()) < 2


@pytest.mark.parametrize("wrong", ["thinker.extra.weight", "extra.weight"])
def test_a_tensor_of_a_thinker_that_has_no_place_is_refused(tmp_path, wrong):
    folder = realistic_checkpoint(tmp_path, "qwen2.5-omni-7b", sizes=SMALL, shards=1)
    edit_weights(folder, lambda held: {**held, wrong: torch.ones(2)}, "model-00001-of-00001")
    edit_weight_map = json.loads((folder / "model.safetensors.index.json").read_text())
    edit_weight_map["weight_map"][wrong] = "model-00001-of-00001.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(edit_weight_map))
    with pytest.raises(UnsupportedModelError, match="has no place for .*extra.weight"):
        load(folder, dtype="float32", check=False)
