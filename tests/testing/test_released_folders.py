"""Folders as released ones are, of families that are shown pictures: they load, answer and are measured."""

import json
import math
from datetime import date
from functools import cache

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

import trimtab
from tests.testing.released_processors import own_inputs
from trimtab.contribution import MCS, measure
from trimtab.engine import encode
from trimtab.engine.local.switching import attention
from trimtab.errors import UnsupportedMethodError, UsageError
from trimtab.items import read_items
from trimtab.testing import RELEASES, picture, realistic_checkpoint
from trimtab.testing.realistic.published import Release

QUESTION = "What color is the cat?"
CONVERTED = (
    "language_model.model.layers.0.self_attn.q_proj.weight",
    "vision_tower.vision_model.encoder.layers.0.self_attn.k_proj.weight",
)
QWEN3 = ("model.language_model.layers.0.mlp.up_proj.weight", "model.visual.deepstack_merger_list.0.norm.weight")
SMOL = ("model.text_model.layers.0.mlp.up_proj.weight", "model.connector.modality_projection.proj.weight")
NAMES = {
    "qwen2_vl": ("model.embed_tokens.weight", "visual.blocks.0.attn.qkv.weight", "model.norm.weight"),
    "qwen2_5_vl": ("model.embed_tokens.weight", "visual.blocks.0.attn.qkv.weight", "model.norm.weight"),
    "qwen3_vl": QWEN3,
    "glm4v": ("model.language_model.layers.0.mlp.gate_up_proj.weight", "model.visual.merger.gate_proj.weight"),
    "llava": (*CONVERTED, "multi_modal_projector.linear_1.weight"),
    "internvl": (CONVERTED[0], "vision_tower.encoder.layer.0.lambda_1", "multi_modal_projector.layer_norm.weight"),
    "mistral3": (CONVERTED[0], "vision_tower.ln_pre.weight", "multi_modal_projector.patch_merger.merging_layer.weight"),
    "gemma3": (*CONVERTED, "multi_modal_projector.mm_soft_emb_norm.weight"),
    "aya_vision": (*CONVERTED, "multi_modal_projector.layernorm.weight"),
    "idefics3": SMOL,
    "smolvlm": SMOL,
    "cohere2_vision": (
        "model.language_model.layers.0.mlp.up_proj.weight",
        "model.vision_tower.vision_model.encoder.layers.0.self_attn.k_proj.weight",
        "model.multi_modal_projector.linear_1.bias",
    ),
    "gemma4": (
        "model.language_model.layers.0.layer_scalar",
        "model.vision_tower.encoder.layers.0.mlp.up_proj.linear.weight",
        "model.embed_vision.embedding_projection.weight",
    ),
    "ovis2": (
        "model.language_model.layers.0.self_attn.q_proj.bias",
        "model.vision_tower.transformer.encoder.layers.0.rms_norm1.weight",
        "model.visual_embeddings_table.weight",
    ),
    "paligemma": (*CONVERTED, "multi_modal_projector.linear.bias"),
    "qwen3_vl_moe": ("model.language_model.layers.0.mlp.experts.gate_up_proj", QWEN3[1]),
}
"""Some of a family's published names."""
WIDTHS = {
    "qwen2-vl-2b": (1536, 8960, 12, 2, 151936),
    "qwen2-vl-7b": (3584, 18944, 28, 4, 152064),
    "qwen2.5-vl-3b": (2048, 11008, 16, 2, 151936),
    "qwen2.5-vl-7b": (3584, 18944, 28, 4, 152064),
    "qwen3-vl-2b": (2048, 6144, 16, 8, 151936),
    "qwen3-vl-4b": (2560, 9728, 32, 8, 151936),
    "qwen3-vl-8b": (4096, 12288, 32, 8, 151936),
    "llava-1.5-7b": (4096, 11008, 32, 32, 32064),
    "internvl3-1b": (896, 4864, 14, 2, 151674),
    "internvl3.5-8b": (4096, 12288, 32, 8, 151936),
    "idefics3-8b": (4096, 14336, 32, 8, 128259),
    "smolvlm2-500m": (960, 2560, 15, 5, 49280),
    "smolvlm2-256m": (576, 1536, 9, 3, 49280),
    "smolvlm-256m": (576, 1536, 9, 3, 49280),
    "mistral-small-3.1-24b": (5120, 32768, 32, 8, 131072),
    "glm-4.1v-9b": (4096, 13696, 32, 2, 151552),
    "gemma-3-4b": (2560, 10240, 8, 4, 262208),
    "aya-vision-8b": (4096, 14336, 32, 8, 256000),
    "command-a-vision-112b": (12288, 36864, 96, 8, 256000),
    "gemma-4-e2b": (1536, 6144, 8, 1, 262144),
    "gemma-4-26b-a4b": (2816, 2112, 16, 8, 262144),
    "ovis2-1b": (896, 4864, 14, 2, 151936),
    "ovis2-2b": (1536, 8960, 12, 2, 151936),
    "paligemma-3b": (2048, 16384, 8, 1, 257216),
    "paligemma2-3b": (2304, 9216, 8, 4, 257216),
    "qwen3-vl-30b-a3b": (2048, 6144, 32, 4, 151936),
}
"""Widths of the decoder: stream, MLPs, heads, heads of keys and values, rows of the table."""
UNMEASURED = {"gemma4", "paligemma"}
"""Families whose contributions are refused."""
HEADS = {"language_model.lm_head.weight", "lm_head.weight"}
PROMPT = trimtab.Prompt(QUESTION, images=(picture(size=(90, 60)),), context="The cat is red.")


@pytest.fixture(scope="module")
def loaded(released):
    """Models of small folders, each loaded once, with its self-check."""
    return cache(lambda release: trimtab.load(released(release)))


@pytest.mark.parametrize("release", WIDTHS)
def test_it_loads_with_sane_logits_and_says_what_it_does_not_follow(released, loaded, release):
    model, made = loaded(release), RELEASES[release]
    logits = trimtab.run(model, [PROMPT]).logits
    assert torch.isfinite(logits).all()
    assert 0.5 < float(logits.std()) < 2
    stated = json.loads((released(release) / "generation_config.json").read_text())
    followed = {name for name in stated if "token_id" in name} | {"_from_model_config", "transformers_version"}
    neutral = {name for name in ("repetition_penalty", "temperature", "top_p") if stated.get(name) == 1}
    ignored = {name: value for name, value in stated.items() if name not in followed | neutral}
    assert model.report.overridden == ignored
    notes = " ".join(model.report.notes)
    assert ("today's date" in notes, "tie_word" in notes) == (made.family.name == "mistral3", False)
    assert model.report.dtype_stored == made.dtype


@pytest.mark.parametrize("release", WIDTHS)
def test_every_tensor_arrives_under_its_published_name(released, loaded, release):
    """What the files hold is what the loaded model holds, renamed; a name that is lost would leave random weights."""
    folder, made = released(release), RELEASES[release]
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    names = index["weight_map"]
    assert len(set(names.values())) == 2
    assert set(NAMES.get(made.family.name, ())) <= set(names)
    assert bool(HEADS & set(names)) == (not made.tied)
    published = []
    for shard in sorted(set(names.values())):
        with safe_open(folder / shard, "pt") as file:
            assert sorted(file.keys()) == sorted(n for n, s in names.items() if s == shard)
            published += [_turned(made, name, file.get_tensor(name)) for name in file.keys()]  # noqa: SIM118
    assert sum(t.numel() * t.element_size() for t in published) == index["metadata"]["total_size"]
    used = {"float16": "bfloat16"}.get(made.dtype, made.dtype)  # as load chooses on a CPU
    held = [t for name, t in loaded(release).hf.state_dict().items() if name not in HEADS or not made.tied]
    assert sorted(_digest(t.to(getattr(torch, used))) for t in published) == sorted(_digest(t) for t in held)


def _turned(made: Release, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A published tensor as a loaded model has it: maps of experts that are stored input first are turned."""
    turned = name.endswith(made.family.transposed)
    return tensor.transpose(1, 2).contiguous() if turned else tensor


def test_experts_are_published_input_first(released, loaded):
    """Files hold an expert's map transposed, and it arrives entry by entry."""
    model, name = loaded("qwen3-vl-30b-a3b"), "model.language_model.layers.1.mlp.experts.down_proj"
    folder = released("qwen3-vl-30b-a3b")
    shard = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"][name]
    with safe_open(folder / shard, "pt") as file:
        stored = file.get_tensor(name)
    experts, hidden, width = model.hf.get_parameter(name).shape
    assert stored.shape == (experts, width, hidden)
    assert width != hidden
    assert torch.equal(stored.transpose(1, 2), model.hf.get_parameter(name))


def _digest(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.shape), float(tensor.double().sum()), float(tensor.double().square().sum())


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of transformers' GLM-4V
@pytest.mark.parametrize("release", WIDTHS)
def test_tokens_and_pixels_are_those_of_the_released_processor(released, loaded, release):
    """Also the text around tiles, which some of the tokenizers write in several tokens."""
    folder, model = released(release), loaded(release)
    shown = picture(3, (250, 170))
    prompt = trimtab.Prompt(QUESTION, images=(shown,))
    encoded = encode(model, prompt)
    ids, tensors = own_inputs(folder, model, shown, prompt.body()[0])
    assert encoded.ids.tolist() == ids
    for name, tensor in encoded.media[0].tensors.items():
        assert torch.equal(tensor, tensors[name])


@pytest.mark.parametrize("release", WIDTHS)
def test_a_user_steers_and_measures_it(loaded, release):
    model = loaded(release)
    edits = (), (trimtab.AddVector(0, torch.randn(model.hidden_size), 4.0),)
    plain, steered = trimtab.generate(model, [trimtab.Row(PROMPT, own) for own in edits], max_new_tokens=4).tokens
    assert plain != steered
    items = read_items("pocket-mc2:test")[:1]
    [scored] = measure(model, items)
    assert all(map(math.isfinite, scored.scores.values()))
    assert any(scored.scores.values())
    if model.family.name in UNMEASURED:
        with pytest.raises(UnsupportedMethodError):
            measure(model, items, method=MCS())
        return
    [sensitivity] = measure(model, items, method=MCS())
    assert min(sensitivity.scores.values()) > 0


SPECIAL = {
    "qwen2.5-vl-7b": {"<|endoftext|>": 151643, "<|im_end|>": 151645, "<|image_pad|>": 151655},
    "qwen2.5-vl-3b": {"<|im_start|>": 151644, "<|video_pad|>": 151656, "<tool_call>": 151657},
    "qwen3-vl-4b": {"<|image_pad|>": 151655, "<think>": 151667},
    "llava-1.5-7b": {"<s>": 1, "</s>": 2, "<image>": 32000, "<pad>": 32001},
    "internvl3-1b": {"<|im_end|>": 151645, "<IMG_CONTEXT>": 151667, "<video>": 151674},
    "internvl3.5-8b": {"<IMG_CONTEXT>": 151671},
    "idefics3-8b": {"<|begin_of_text|>": 128000, "<image>": 128257, "<end_of_utterance>": 128258},
    "smolvlm2-256m": {"<|im_start|>": 1, "<fake_token_around_image>": 49189, "<image>": 49190},
    "mistral-small-3.1-24b": {"<s>": 1, "[INST]": 3, "[IMG]": 10, "[IMG_END]": 13, "[SYSTEM_PROMPT]": 17},
    "glm-4.1v-9b": {"<|endoftext|>": 151329, "<|begin_of_image|>": 151339, "<|image|>": 151343, "</answer>": 151348},
    "gemma-3-4b": {"<bos>": 2, "<end_of_turn>": 106, "<start_of_image>": 255999, "<image_soft_token>": 262144},
    "aya-vision-8b": {"<BOS_TOKEN>": 5, "<|END_OF_TURN_TOKEN|>": 255001, "<|IMG_PATCH|>": 255036},
    "command-a-vision-112b": {"<|START_OF_IMG|>": 255033, "<|IMG_LINE_BREAK|>": 255035, "<|IMG_PATCH|>": 255036},
    "gemma-4-e2b": {
        "<|tool_response>": 50,
        "<turn|>": 106,
        "<|image>": 255999,
        "<|image|>": 258880,
        "<image|>": 258882,
    },
    "ovis2-1b": {"<|im_end|>": 151645, "<IMG_ATOM>": 151665, "<IMG_END>": 151670},
    "paligemma-3b": {"<bos>": 2, "<loc0000>": 256000, "<seg127>": 257151, "<image>": 257152},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The small files of releases at their released sizes, without weights."""
    import trimtab.testing.realistic.checkpoint as module

    @cache
    def folder(release):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "write_weights", lambda *_: None)
            return realistic_checkpoint(tmp_path_factory.mktemp(release), release)

    return folder


@pytest.mark.parametrize("release", WIDTHS)
def test_sizes_are_those_released_unless_changed(whole, release):
    text = AutoConfig.from_pretrained(whole(release)).get_text_config()
    first = text.per_layer_config[0] if text.model_type == "gemma4_text" else text
    widths = (text.hidden_size, text.intermediate_size, text.num_attention_heads, first.num_key_value_heads)
    assert (*widths, text.vocab_size) == WIDTHS[release]
    assert text.num_hidden_layers == RELEASES[release].sizes.layers <= 7


@pytest.mark.parametrize("release", SPECIAL)
def test_the_tokenizer_has_released_ids_and_writes_any_text(whole, release):
    tokenizer = AutoTokenizer.from_pretrained(whole(release))
    assert tokenizer.is_fast
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL[release]} == SPECIAL[release]
    text = "The cats don't sleep in 2024: naïve café, 你好 🙂\n\nA new line."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True) == text  # bytes are not special
    assert len(tokenizer(" the picture", add_special_tokens=False)["input_ids"]) <= 3  # merges are learned


QWEN_TURN = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What?<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TURN = "<|START_OF_TURN_TOKEN|>"
DATED = "<s>[SYSTEM_PROMPT]You are Mistral Small 3.1, a Large Language Model (LLM) created by Mistral AI.\n"
RENDERED = {
    "qwen2-vl-2b": SYSTEM + QWEN_TURN,
    "qwen2.5-vl-7b": SYSTEM + QWEN_TURN,
    "qwen3-vl-8b": QWEN_TURN,
    "llava-1.5-7b": "USER: <image>\nWhat? ASSISTANT:",
    "internvl3-1b": "<|im_start|>user\n<IMG_CONTEXT>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
    "idefics3-8b": "<|begin_of_text|>User:<image>What?<end_of_utterance>\nAssistant:",
    "smolvlm2-256m": "<|im_start|>User:<image>What?<end_of_utterance>\nAssistant:",
    "mistral-small-3.1-24b": "[INST][IMG]What?[/INST]",
    "glm-4.1v-9b": "[gMASK]<sop><|user|>\n<|begin_of_image|><|image|><|end_of_image|>What?<|assistant|>\n<think>",
    "gemma-3-4b": "<bos><start_of_turn>user\n<start_of_image>What?<end_of_turn>\n<start_of_turn>model\n",
    "aya-vision-8b": f"{TURN}<|USER_TOKEN|><image>What?<|END_OF_TURN_TOKEN|>{TURN}<|CHATBOT_TOKEN|>",
    "command-a-vision-112b": f"{TURN}<|USER_TOKEN|><|IMG_PATCH|>What?<|END_OF_TURN_TOKEN|>{TURN}<|CHATBOT_TOKEN|>",
    "gemma-4-e2b": "<bos><|turn>user\n<|image|>What?<turn|>\n<|turn>model\n",
    "ovis2-1b": SYSTEM + "<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
    "paligemma-3b": "<image><bos>What?\n",
}


@pytest.mark.parametrize("release", RENDERED)
def test_the_template_renders_as_the_released_one(loaded, release):
    model = loaded(release)
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rendered = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=model.chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    begins = {
        "mistral-small-3.1-24b": f"{DATED}The current date is {date.today()}.",
        "aya-vision-8b": f"<BOS_TOKEN>{TURN}<|SYSTEM_TOKEN|>You are Aya",
        "command-a-vision-112b": f"<BOS_TOKEN>{TURN}<|SYSTEM_TOKEN|>You are a",
    }.get(release, "")
    assert rendered.startswith(begins)
    assert rendered.endswith(RENDERED[release])
    assert begins or rendered == RENDERED[release]


def test_parts_that_cannot_attend_by_sdpa_never_do(loaded):
    """Gemma 4's tower for sounds; transformers refuses to load a model whose parts are all told to."""
    model = loaded("gemma-4-e2b")
    parts = {name: getattr(model.hf.config, f"{name}_config") for name in ("text", "vision", "audio")}

    def used() -> list[str]:
        return [part._attn_implementation for part in parts.values()]

    assert used() == ["sdpa", "sdpa", "eager"]
    with attention(model, "eager"):
        assert used() == ["eager"] * 3
    assert used() == ["sdpa", "sdpa", "eager"]


def test_pixels_reach_a_tower_as_its_own_forward_takes_them(loaded):
    """In float32: Gemma 4's tower moves them to around 0 before it rounds them to the type of its weights."""
    model = loaded("gemma-4-26b-a4b")
    shown = model.show("image", picture(1, (90, 60)))
    own = model.hf.model.get_image_features(**shown.tensors, return_dict=True).pooler_output
    assert model.dtype == torch.bfloat16
    assert torch.equal(model.embed_media([shown])[0], torch.cat(list(own)))


def test_what_all_releases_of_a_family_do_cannot_be_chosen(tmp_path):
    with pytest.raises(UsageError, match="^`tied` of realistic_checkpoint must be True for gemma3"):
        realistic_checkpoint(tmp_path, "gemma-3-4b", tied=False)
