"""Training smol-llava's eyes: it computes what the finished checkpoint computes, and shows no conflict."""

import random
from pathlib import Path

import pytest
import torch
from torch.nn.utils import parametrize
from training import prompts
from training.smol import joint, mixture
from training.smol.parts import SCALE, adapt, new_eyes
from training.smol.rows import Batch, Row, batch_of
from training.smol.save import save
from training.smol.scaled import changes, scale
from training.smol.words import Words
from transformers import LlamaConfig, LlamaForCausalLM, LlavaForConditionalGeneration

from trimtab.pocket import items
from trimtab.smol import IMAGE_TOKEN_ID, llava_config

SIZE = mixture.Size(word_steps=1, steps=10, unit=2, kept=1, own_texts=2)


def _language() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def language() -> LlamaForCausalLM:
    return _language()


def _batch() -> Batch:
    scene = items("validation")[0].scene
    picture = [IMAGE_TOKEN_ID] * 49
    return batch_of([Row([1, *picture, 7, 8, 9, 2], 51, scene, 1.0), Row([1, 20, 21, 22, 23], 3, None, 1.0)])


def test_training_computes_what_a_llava_of_the_same_weights_computes(language: LlamaForCausalLM, tmp_path: Path):
    eyes = new_eyes(language.config)  # pyright: ignore[reportArgumentType]
    whole = LlavaForConditionalGeneration(llava_config(LlamaConfig(**language.config.to_dict()))).eval()
    changes = adapt(language.model)
    with torch.no_grad():
        for change in changes.values():
            torch.nn.init.normal_(change.up, std=0.1)  # pyright: ignore[reportArgumentType]
    learner = joint.Learner(eyes, language.model, IMAGE_TOKEN_ID)
    batch = _batch()
    with torch.no_grad():
        logits, labels = learner(batch)
        for layer in language.model.layers:
            for name in ("self_attn.q_proj", "mlp.down_proj"):
                assert parametrize.is_parametrized(layer.get_submodule(name))
        state = {name: value for name, value in language.model.state_dict().items() if "parametrizations" not in name}
        for name, module in language.model.named_modules():
            if parametrize.is_parametrized(module):
                state[f"{name}.weight"] = module.weight
        whole.model.language_model.load_state_dict(state)
        whole.model.vision_tower.load_state_dict(eyes.vision_tower.state_dict())
        whole.model.multi_modal_projector.load_state_dict(eyes.multi_modal_projector.state_dict())
        seen = whole(input_ids=batch.ids[:1, :54], pixel_values=batch.pixels, use_cache=False).logits[0, 50:53]
        read = whole(input_ids=batch.ids[1:, :5], use_cache=False).logits[0, 2:4]
    assert labels.tolist() == [8, 9, 2, 22, 23]
    assert torch.allclose(logits[3:], read, atol=1e-5)
    assert torch.allclose(logits[:3], seen, atol=0.05)  # the eyes compute in bfloat16 while they learn
    save(eyes, changes, tmp_path / "eyes.safetensors")
    assert (tmp_path / "eyes.safetensors").stat().st_size > 1e6


def test_a_low_rank_change_is_the_merged_weight():
    from training.smol.parts import LowRank

    change = LowRank(6, 4, rank=2)
    torch.nn.init.normal_(change.up)
    weight = torch.randn(4, 6).bfloat16()
    assert torch.equal(change(weight), (weight.float() + SCALE * change.up @ change.down).bfloat16())


def test_no_conflict_and_no_instruction_is_ever_drawn(monkeypatch: pytest.MonkeyPatch):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("drawn")

    for name in ("instructed", "conflict", "order"):
        monkeypatch.setattr(prompts, name, never)
    drawn = [example for step in range(30) for example in mixture.draw_examples(SIZE, random.Random(step))]
    assert all(example.told is None for example in drawn)
    assert {bool(example.scene) for example in drawn} == {True, False}
    assert all(example.scene for example in mixture.seeing_examples(SIZE, random.Random(0)))


def test_words_are_centred_and_of_length_one():
    table = torch.randn(64, 16)

    def tokenizer(text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [ord(char) % 64 for char in text]}

    words = Words(table, tokenizer)
    assert torch.allclose(words.names.norm(dim=1), torch.ones(len(words.names)))


def test_a_change_of_the_language_model_can_be_kept_in_part():
    language = _language()
    whole = LlavaForConditionalGeneration(llava_config(LlamaConfig(**language.config.to_dict()))).eval()
    whole.model.language_model.load_state_dict(language.model.state_dict())
    own, trained = (
        model.get_parameter("layers.1.mlp.down_proj.weight") for model in (language.model, whole.model.language_model)
    )
    with torch.no_grad():
        trained += 0.5
    found = changes(language, whole)
    assert [change.weight is trained for change in found] == [True]
    for share in (0.0, 0.5, 1.0):
        scale(found, share)
        assert torch.allclose(trained - own, torch.tensor(share / 2))
