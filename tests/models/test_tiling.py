"""Command A Vision's image processor, held to what of its own class can be read without torchvision."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.image_utils import SizeDict

from trimtab.models.tiling import Cohere2VisionImageProcessorPil
from trimtab.testing import picture

WANTED = {
    "get_all_supported_aspect_ratios",
    "get_optimal_tiled_canvas",
    "crop_image_to_patches",
    "get_number_of_image_patches",
}


@pytest.fixture(scope="module")
def own() -> dict[str, Any]:
    """The functions of its file in transformers, which cannot be imported, and the class's defaults."""
    package = Path(transformers.__file__).parent / "models" / "cohere2_vision"
    tree = ast.parse((package / "image_processing_cohere2_vision.py").read_text())
    [kind] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Cohere2VisionImageProcessor"]
    bodies = [n for n in [*tree.body, *kind.body] if isinstance(n, ast.FunctionDef) and n.name in WANTED]
    for body in bodies:
        body.decorator_list = []
    found: dict[str, Any] = {"np": np, "torch": torch, "SizeDict": SizeDict}
    future = ast.parse("from __future__ import annotations").body
    exec(compile(ast.Module([*future, *bodies], []), "own", "exec"), found)  # noqa: S102
    defaults = [n for n in kind.body if isinstance(n, ast.Assign) and not isinstance(n.value, ast.Attribute)]
    found["defaults"] = {
        n.targets[0].id: ast.literal_eval(n.value)  # pyright: ignore
        for n in defaults
        if not isinstance(n.value, ast.Name)
    }
    return found


@pytest.mark.parametrize("most", [1, 2, 3, 4, 6, 8, 12, 16])
def test_tiles_are_counted_as_its_own_class_does(own, most):
    processor = Cohere2VisionImageProcessorPil(max_patches=most)
    edges = [1, 37, 300, 511, 512, 513, 700, 1023, 1024, 1025, 1536, 2047, 2048, 3000, 5000, 12000]
    for height in edges:
        for width in edges:
            assert processor.get_number_of_image_patches(height, width) == own["get_number_of_image_patches"](
                SimpleNamespace(
                    min_patches=1, max_patches=most, size=SizeDict(height=512, width=512), crop_to_patches=True
                ),
                height,
                width,
            )


@pytest.mark.parametrize("size", [(28, 28), (56, 84), (84, 56), (30, 200), (200, 90), (13, 17), (400, 401)])
def test_tiles_are_those_of_its_own_class_where_both_scale_by_pil(own, size):
    """Everything but the arithmetic of scaling: where it cuts, in which order, and what comes last."""
    processor = Cohere2VisionImageProcessorPil(size={"height": 28, "width": 28}, max_patches=6)
    pixels = np.moveaxis(np.array(picture(0, size)), -1, 0)

    def resize(images: torch.Tensor, size: SizeDict, resample: Any) -> torch.Tensor:
        return torch.tensor(processor.resize(images[0].numpy(), size, resample=resample))[None]

    options = {"patch_size": SizeDict(height=28, width=28), "resample": processor.resample}
    [expected] = own["crop_image_to_patches"](
        SimpleNamespace(resize=resize), torch.tensor(pixels)[None], 1, 6, **options
    )
    found = processor.crop_image_to_patches(pixels, 1, 6, **options)
    assert np.array_equal(np.stack(found), expected.numpy())
    shown = processor(images=[picture(0, size)], return_tensors="pt")
    assert shown["num_patches"].tolist() == [len(expected)]
    assert len(shown["pixel_values"]) == len(expected)


def test_defaults_are_those_of_its_own_class(own):
    processor = Cohere2VisionImageProcessorPil()
    assert own["defaults"].keys() >= {"size", "crop_to_patches", "min_patches", "max_patches", "patch_size"}
    for name, value in own["defaults"].items():
        found = getattr(processor, name)
        assert (dict(found) if isinstance(value, dict) else found) == value, name
