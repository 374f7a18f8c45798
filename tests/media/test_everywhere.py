"""One picture, many ways in: each shows the same pixels."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import trimtab as tt
from tests.media.samples import corners, encoded, seen
from trimtab import pocket
from trimtab.interference.perturbations.base import perturb
from trimtab.interference.perturbations.donors import Donors
from trimtab.interference.views import Opened
from trimtab.items import ImageScene, MediaBytes, MediaFile
from trimtab.items.prompts import prompt_for
from trimtab.media import open_picture

ROW: dict[str, Any] = {
    "task": "t",
    "question": "What?",
    "context": "It is red.",
    "answer_image": "blue",
    "answer_text": "red",
}


def hard() -> bytes:
    """Stored sideways, half of it transparent black."""
    pixels = np.dstack([corners(), np.full((48, 80), 255, np.uint8)])
    pixels[:, 40:] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(np.ascontiguousarray(np.rot90(pixels))), exif=exif)


@pytest.fixture
def shown() -> np.ndarray:
    pixels = corners()
    pixels[:, 40:] = 255
    return pixels


def test_files_prompts_and_perturbations_show_the_same(tmp_path, shown):
    path = tmp_path / "a.png"
    path.write_bytes(hard())
    (tmp_path / "items.jsonl").write_text(json.dumps({**ROW, "id": "1", "image": "a.png"}))
    pd.DataFrame([{**ROW, "id": "1", "image": hard()}]).to_parquet(tmp_path / "items.parquet")
    items = [tt.read_items(tmp_path / name)[0] for name in ("items.jsonl", "items.parquet")]
    items += [tt.Item(id="1", image=image, **ROW) for image in (path, hard(), Image.open(path))]
    prompts = [prompt_for(item) for item in items]
    prompts += [tt.Prompt("What?", images=image) for image in (path, hard(), MediaFile(path), MediaBytes(hard()))]
    asked = tt.Item(
        "2", "t", "What?", context="It is red.", answer_text="red", relevant="text", choices=("red", "blue")
    )
    view = perturb(asked, ["other_image"], Donors([*items[:1], asked]))
    assert view is not None
    prompts.append(view.prompt(Opened()))
    assert all(np.array_equal(seen(prompt.images[0]), shown) for prompt in prompts)


def test_scenes_are_what_they_draw():
    for item in pocket.items("test")[:20]:
        drawn = item.scene.render()
        assert np.array_equal(seen(open_picture(drawn)), np.asarray(drawn))
        assert np.array_equal(seen(ImageScene(item.scene).open()), np.asarray(drawn))


def test_threads_leave_the_filters_of_warnings_as_they_were(shown):
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: open_picture(hard()), range(64)))
    assert all(np.array_equal(seen(picture), shown) for picture in found)
    assert list(warnings.filters) == before
