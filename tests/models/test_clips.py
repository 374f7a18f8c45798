"""Clips cut to patches as transformers' own processors do it, but that these scale frames with torchvision."""

import ast
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.video_utils import VideoMetadata

from trimtab.errors import DataError
from trimtab.media import Clip
from trimtab.models import FAMILIES, as_processor
from trimtab.testing import clip, picture

SIZES = [(84, 56), (56, 56), (300, 90), (640, 480), (31, 40)]
QWEN3 = {"size": {"shortest_edge": 4096, "longest_edge": 25165824}, "patch_size": 16, "image_mean": [0.5] * 3}


def processor(family: str, **settings: Any) -> Any:
    patch = 16 if family == "qwen3_vl" else 14
    return FAMILIES[family].clip_processor(as_processor(Qwen2VLImageProcessorPil(patch_size=patch)), settings)


def of_qwen2(name: str) -> Any:
    """A method of Qwen2-VL's own processor, whose file cannot be imported without torchvision."""
    file = Path(transformers.__file__).parent / "models/qwen2_vl/video_processing_qwen2_vl.py"
    [method] = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef) and n.name == name]
    found: dict[str, Any] = {"torch": torch, "math": math, "VideoMetadata": VideoMetadata}
    exec(compile(ast.Module([method], []), str(file), "exec"), found)  # noqa: S102
    return found[name]


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("size", [(84, 56), (64, 96)])
def test_patches_are_those_of_the_own_processor(frames, size):
    """Sizes that need no scaling, so that torchvision has no say; an odd number of frames repeats the last one."""
    family = "qwen3_vl" if size == (64, 96) else "qwen2_vl"
    ours = processor(family, size={"shortest_edge": 28 * 28, "longest_edge": 10**8})
    shown = clip(frames=frames, size=size)
    found = ours(shown)
    given = torch.from_numpy(np.stack([np.asarray(frame) for frame in shown.frames]).transpose(0, 3, 1, 2).copy())
    values = ours.frames
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (values.image_mean, values.image_std))
    scaled = (given / 255 - mean) / deviation
    cut: Any = of_qwen2("patchify") if family == "qwen2_vl" else Qwen3VLVideoProcessor.patchify
    patches, *grid = cut(SimpleNamespace(), scaled[None], values.patch_size, values.merge_size, 2)
    assert found.grid == tuple(grid)
    torch.testing.assert_close(found.pixels, patches[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_a_clip_of_two_equal_frames_is_a_picture(size):
    ours, shown = processor("qwen2_5_vl"), picture(size=size)
    own = ours.pictures(images=[shown], return_tensors="pt")
    found = ours(Clip([shown, shown]))
    assert torch.equal(found.pixels, own["pixel_values"])
    assert found.grid == tuple(own["image_grid_thw"][0].tolist())


@pytest.mark.parametrize("frames", [2, 7, 64, 768])
@pytest.mark.parametrize("size", [*SIZES, (1920, 1080)])
def test_sizes_of_qwen3_vl_are_those_of_its_own_processor(frames, size):
    ours, own = processor("qwen3_vl", **QWEN3), Qwen3VLVideoProcessor(**QWEN3, cap_pixels_per_frame=False)
    ours.pictures.size = {"shortest_edge": 65536, "longest_edge": 16777216}
    assert math.prod(ours.grid(frames, *size)) == own.get_num_of_video_patches(frames, size[1], size[0])
    capped = processor("qwen3_vl", **QWEN3, cap_pixels_per_frame=True)
    capped.pictures.size = ours.pictures.size
    own = Qwen3VLVideoProcessor(**QWEN3, cap_pixels_per_frame=True)
    assert math.prod(capped.grid(frames, *size)) == own.get_num_of_video_patches(frames, size[1], size[0])


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl"])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 9, 30, 100, 1801, 4000])
@pytest.mark.parametrize("rate", [0.5, 2.0, 3.0, 24.0, 29.97])
def test_frames_taken_are_those_of_the_own_processor(family, count, rate):
    ours = processor(family)
    own: Any = of_qwen2("sample_frames") if family == "qwen2_vl" else Qwen3VLVideoProcessor.sample_frames
    told = SimpleNamespace(num_frames=None, fps=2, min_frames=4, max_frames=768, temporal_patch_size=2)
    metadata = VideoMetadata(total_num_frames=count, fps=count / (count / rate))
    expected = own(told, metadata).tolist()
    found = ours.taken(count, count / rate)
    if family == "qwen2_vl" and found == list(range(count)):
        assert expected == found[: len(found) // 2 * 2]  # its own takes clips whole unless it is told to take some
    else:
        assert found == expected


def test_a_long_clip_has_no_more_positions_than_the_settings_allow(caplog):
    for family, most in (("qwen2_vl", 115_200), ("qwen3_vl", 12_288)):
        ours = processor(family, **(QWEN3 if family == "qwen3_vl" else {}))
        taken = ours.taken(4096, 4096 / 2)
        assert len(taken) == 768
        assert 0.8 * most < math.prod(ours.grid(768, 1920, 1080)) / 4 <= most
    ours = processor("qwen2_vl", max_frames=4)
    ours(clip(frames=9))
    assert "Of a clip of 9 frames in 4.50 s 4 frames are shown (2 a second, at most 4)." in caplog.text


def test_a_frame_has_no_more_pixels_than_a_picture_may_have():
    for family in ("qwen2_vl", "qwen3_vl"):
        ours = processor(family, size={"shortest_edge": 4096, "longest_edge": 25165824})
        ours.pictures.size = {"shortest_edge": 4096, "longest_edge": 65536}
        times, high, wide = ours.grid(4, 1920, 1080)
        assert times == 2
        assert 40_000 < high * wide * ours.frames.patch_size**2 <= 65536


def test_frames_too_narrow_are_refused():
    with pytest.raises(DataError, match="a clip of 4000 x 10 pixels is refused .* crop or pad its frames"):
        processor("qwen2_vl").grid(2, 4000, 10)


def test_settings_are_written_as_checkpoints_have_them(tmp_path):
    ours = processor("qwen3_vl", **QWEN3, fps=1, max_frames=16, video_processor_type="Qwen3VLVideoProcessor")
    ours.save_pretrained(tmp_path)
    held = json.loads((tmp_path / "video_preprocessor_config.json").read_text())
    own = Qwen3VLVideoProcessor(**{k: v for k, v in held.items() if k != "video_processor_type"})
    assert (own.fps, own.max_frames, own.patch_size) == (1, 16, 16)
    again = processor("qwen3_vl", **held)
    shown = clip(frames=20, size=(100, 64))
    assert torch.equal(again(shown).pixels, ours(shown).pixels)
