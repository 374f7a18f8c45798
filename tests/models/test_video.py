"""Clips shown to Qwen's models: alone, several, beside pictures, of mixed sizes and lengths."""

from functools import cache
from typing import Any

import pytest
import torch
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

from tests.engine.test_contract import assert_same
from trimtab import load
from trimtab.engine import AddVector, BlockAttention, Prompt, Read, Row, ScaleHeads, encode, generate, inputs, run
from trimtab.errors import UnsupportedModelError
from trimtab.media import Clip
from trimtab.models import Model, from_parts, save_processors
from trimtab.testing import clip, picture, tiny_model

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
CLIPS = [clip(1, 4), clip(2, 3, (84, 56)), clip(3, 1), clip(4, 12, (200, 90)), Clip(clip(5, 9).frames, 1.2)]


@cache
def made(family: str) -> Model:
    return tiny_model(family)


@pytest.fixture(scope="session", params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Model:
    return made(request.param)


def asked(*clips: Clip, images: tuple = (), context: str | None = None) -> Prompt:
    return Prompt("What is it?", images, context, media={"video": clips})


def prompts() -> list[Prompt]:
    pictures = tuple(picture(i, size) for i, size in enumerate([(56, 56), (30, 112)]))
    return [
        asked(CLIPS[0]),
        asked(*CLIPS[1:3], context="Two cats play."),
        asked(CLIPS[3], images=pictures[:1]),
        asked(CLIPS[4], CLIPS[0], images=pictures, context="A dog sleeps."),
        Prompt("What is it?", pictures),
        Prompt("What is it?"),
    ]


def test_fast_path_is_the_models_own_forward_and_generate(model):
    rows = [Row(prompt) for prompt in prompts()]
    read = Read(hidden=(0, 2), heads=(1,))
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    assert_same(fast.logits, plain.logits)
    for layer in read.hidden:
        assert_same(fast.hidden[layer], plain.hidden[layer])
    assert_same(fast.logits, torch.cat([run(model, [row]).logits for row in rows]))
    with torch.no_grad():
        assert_same(model.hf(**inputs(model, prompts())).logits[:, -1], plain.logits)
    answers = generate(model, rows, max_new_tokens=5)
    assert answers.tokens == generate(model, rows, max_new_tokens=5, reuse=False).tokens


def test_what_a_clip_shows_changes_the_answer(model):
    rows = [asked(CLIPS[0]), asked(clip(9, 4)), asked(Clip(CLIPS[0].frames[::-1]))]
    first, *others = run(model, rows).logits
    assert min(float((first - other).abs().max()) for other in others) > 1e-3


def test_positions_are_the_models_own(model):
    for prompt in prompts()[:5]:
        encoded = encode(model, prompt)
        given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
        seen: list[torch.Tensor] = []
        hook = model.decoder.register_forward_pre_hook(
            lambda _m, _a, kwargs, seen=seen: seen.append(kwargs["position_ids"]), with_kwargs=True
        )
        bare = {name: tensor for name, tensor in given.items() if name != "mm_token_type_ids"}
        with hook, torch.no_grad():
            logits = model.hf(**given, use_cache=False).logits
            assert torch.equal(model.hf(**bare, use_cache=False).logits, logits)
            options = {"max_new_tokens": 1, "do_sample": False, "output_scores": True, "return_dict_in_generate": True}
            assert_same(model.hf.generate(**bare, **options).scores[0], logits[:, -1])
        assert all(torch.equal(positions[-3:, 0], encoded.positions) for positions in seen)


def test_texts_are_those_of_its_own_processor(model):
    kind = Qwen3VLProcessor if "qwen3" in model.family.name else Qwen2_5_VLProcessor
    processor: Any = kind.__new__(kind)
    processor.video_processor, processor.video_token = model.processors["video"].frames, "<|video_pad|>"
    processor.vision_start_token, processor.vision_end_token = "<|vision_start|>", "<|vision_end|>"
    for shown in CLIPS:
        medium, rate = model.show("video", shown), len(shown) / shown.seconds
        taken = model.processors["video"].taken(len(shown), shown.seconds)
        metadata = VideoMetadata(total_num_frames=len(shown), fps=rate, frames_indices=list(taken))
        times, step = tuple(metadata.timestamps), 2 / metadata.sampled_fps
        inputs = {"video_grid_thw": medium.tensors["video_grid_thw"], "video_metadata": [metadata]}
        text = processor.replace_video_token(inputs, 0)
        assert model.expand(medium) == text
        assert medium.n_tokens == text.count("<|video_pad|>")
        assert medium.seconds == times
        assert medium.step == pytest.approx(step, rel=1e-12)


def test_seconds_of_qwen2_5_vl_move_its_positions():
    model, frames = made("qwen2_5_vl"), clip(1, 8).frames
    steps = []
    for seconds in (4.0, 16.0):
        encoded = encode(model, asked(Clip(frames, seconds)))
        steps.append(encoded.positions[0, encoded.spans["video"]].unique().diff().tolist())
    assert steps == [[4, 4, 4], [16, 16, 16]]  # four tokens a second, two frames deep


def test_pictures_and_clips_have_their_own_spans_and_features(model):
    encoded = encode(model, prompts()[3])
    counts = {kind: sum(m.n_tokens for m in encoded.media if m.kind == kind) for kind in ("image", "video")}
    assert {kind: len(encoded.spans[kind]) for kind in counts} == counts
    beside = model.embed_media(encoded.media)
    model.forget_media()
    for medium, features in zip(encoded.media, beside, strict=True):
        assert_same(model.family.embed_media(model.hf, [medium])[0], features)


def test_edits_at_clips_equal_the_reference(model):
    prompt = prompts()[3]
    inside = int(encode(model, prompt).spans["video"][1])
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    rows = [
        Row(prompt, (AddVector(1, direction, 1.0, positions="all"),)),
        Row(prompt, (ScaleHeads(1, (0, 2), factor=0.0),)),
        Row(prompt, (BlockAttention(("video",), ("last",), layers=(1, 2)),)),
        Row(prompt, (BlockAttention(("image",), ("video",), layers=(1, 2)),)),
        Row(prompt, (BlockAttention((0,), (inside,), layers=(1,)),)),
    ]
    found = run(model, rows)
    assert_same(found.logits, run(model, rows, reuse=False).logits)
    assert (found.logits - run(model, [Row(prompt)]).logits).abs().amax(-1).min() > 1e-4


def test_a_checkpoint_without_a_template_for_clips_loads_without_them(model):
    template = model.chat_template.replace("part.type == 'video'", "false")
    again = from_parts(model.hf, model.tokenizer, model.processors, template)
    assert again.modalities == ("image", "text")
    assert again.report.notes == ("video is left out: the chat template gives a clip no '<|video_pad|>'.",)
    alone = from_parts(model.hf, model.tokenizer, model.image_processor, model.chat_template)
    assert alone.report.notes == ("video is left out: no processor of it was given.",)
    prompt = Prompt("What is it?", (picture(),))
    assert_same(run(alone, [prompt]).logits, run(model, [prompt]).logits)


def test_a_saved_folder_takes_clips(model, tmp_path):
    model.hf.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    save_processors(model.processors, tmp_path)
    (tmp_path / "chat_template.jinja").write_text(model.chat_template)
    again = load(tmp_path, dtype="float32")
    assert again.modalities == ("image", "text", "video")
    assert_same(run(again, prompts()).logits, run(model, prompts()).logits)


def test_bundled_models_go_on_without_clips():
    model = load("pocket-qwen")
    assert model.modalities == ("image", "text")
    assert list(model.processors) == ["image"]


def test_glm4v_is_shown_pictures_alone_whatever_its_template_takes():
    model = tiny_model("glm4v")
    template = model.chat_template.replace("{% else %}", "{% elif part.type == 'video' %}<|video|>{% else %}")
    again = from_parts(model.hf, model.tokenizer, model.processors, template)
    assert again.modalities == ("image", "text")
    assert not again.report.notes


@pytest.mark.parametrize("family", ["glm4v", "smolvlm"])
def test_a_family_that_is_not_shown_clips_says_why(family):
    model = tiny_model(family, check=False)
    with pytest.raises(UnsupportedModelError, match=r"got video \(a clip.s .* the token of pictures"):
        encode(model, Prompt("What is it?", media={"video": [clip(1, 2)]}))
