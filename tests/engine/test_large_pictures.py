"""A photo of 12 megapixels is shown, scaled down; what has too many pixels is refused."""

from pathlib import Path

import pytest
from PIL import Image

import trimtab as tt
from trimtab.engine import encode, run
from trimtab.errors import DataError, NotEnoughMemoryError
from trimtab.models import Model, tower_bytes
from trimtab.testing import picture, realistic_checkpoint
from trimtab.testing.realistic import SMALL

PHOTO = 4000, 3000


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.linear_gradient("L").convert("RGB").resize(PHOTO).save(file)
    return file


def test_models_whose_pictures_are_small_scale_it_down(model: Model, photo: Path):
    prompt = tt.Prompt("What is it?", (photo,), "A cat.")
    assert 0 < len(encode(model, prompt).spans["image"]) < 100
    assert run(model, [prompt]).logits.isfinite().all()


def test_a_small_file_of_many_pixels_is_refused_unopened(model: Model, tmp_path: Path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(DataError, match="at most 100,000,000 pixels; it"):
        run(model, [tt.Prompt("What is it?", (tmp_path / "bomb.png",))])


def test_one_that_no_memory_holds_is_refused_before_the_tower_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    realistic_checkpoint(tmp_path / "model", "qwen2.5-vl-7b", sizes=SMALL)
    model, prompt = tt.load(tmp_path / "model", check=False), tt.Prompt("What is it?", (picture(0, (448, 448)),))
    positions = len(encode(model, prompt).spans["image"])
    needed = tower_bytes(model.hf, model.dtype, positions)
    monkeypatch.setattr("trimtab.models.showing.free_bytes", lambda _device: int(needed) - 1)
    monkeypatch.setattr(type(model.family), "embed_media", lambda *_: pytest.fail("the tower ran"))
    with pytest.raises(NotEnoughMemoryError, match=rf"a picture of {positions:,} positions, .* smaller max_pixels"):
        run(model, [prompt])
