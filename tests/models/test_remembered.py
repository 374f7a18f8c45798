"""Pictures are remembered in bytes, made again when they are forgotten, and given up first."""

import numpy as np
import pytest
import torch

from trimtab.errors import NotEnoughMemoryError, UsageError
from trimtab.media import open_picture
from trimtab.models import Model, remembered, space
from trimtab.models.remembered import Remembered
from trimtab.testing import picture


@pytest.fixture(autouse=True)
def _forget(model: Model):
    model.forget_media()


def test_the_least_recently_used_is_forgotten_beyond_the_bound():
    kept = Remembered(lambda _device: 100)
    for key in "abc":
        kept.put(key, torch.zeros(10, dtype=torch.float32))
        kept.get("a")
    assert kept.get("a") is not None
    assert kept.get("b") is None
    assert kept.get("c") is not None
    assert kept.bytes == 80
    kept.put("large", torch.zeros(26))
    assert kept.get("large") is None
    assert kept.give_up() == 80
    kept.put("d", torch.zeros(13))  # 52 bytes of 50
    assert not len(kept)


def test_a_view_does_not_keep_alive_what_it_was_cut_from():
    kept, whole = Remembered(lambda _device: 1000), torch.arange(100.0)
    kept.put("part", whole[:3])
    part = (kept.get("part") or (whole,))[0]
    assert part.untyped_storage().nbytes() == 12
    assert part.tolist() == [0, 1, 2]


def test_pixels_are_made_again_and_are_the_same(model: Model, monkeypatch: pytest.MonkeyPatch):
    shown = [model.show("image", picture(i, (84, 56))) for i in range(3)]
    before = [{name: t.clone() for name, t in p.tensors.items()} for p in shown]
    embedded = [e.clone() for e in model.embed_media(shown)]
    model.forget_media()
    monkeypatch.setattr(remembered, "PIXELS_MOST", 0)
    again = [model.show("image", picture(i, (84, 56))) for i in range(3)]
    for pixels, old, embedding in zip(again, before, embedded, strict=True):
        assert all(torch.equal(pixels.tensors[name], t) for name, t in old.items())
        assert torch.equal(model.embed_media([pixels])[0], embedding)
        assert sum(t.nbytes for t in pixels.tensors._layout.values()) <= 1024  # pyright: ignore
    assert not model._shown._pixels.bytes


def test_many_pictures_stay_within_the_bounds(model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembered, "PIXELS_MOST", 50_000)
    monkeypatch.setitem(remembered.EMBEDDINGS_MOST, "cpu", 20_000)
    for seed in range(20):
        pixels = model.show("image", picture(seed, (84, 84)))
        model.embed_media([pixels])
        assert model._shown._pixels.bytes <= 50_000
        assert model._shown._embeddings.bytes <= 20_000
    assert model.remembered_bytes > 0


def test_a_picture_that_was_changed_since_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembered, "PIXELS_MOST", 0)
    image = open_picture(np.full((56, 56, 3), 90, dtype=np.uint8))
    pixels = model.show("image", image)
    image.paste((0, 0, 0), (0, 0, 10, 10))
    with pytest.raises(UsageError, match="must stay as they are"):
        model.embed_media([pixels])


def test_the_vision_tower_takes_fewer_pictures_where_memory_runs_out(model: Model, monkeypatch: pytest.MonkeyPatch):
    shown = [model.show("image", picture(i)) for i in range(5)]
    expected = [e.clone() for e in model.embed_media(shown)]
    whole, asked = type(model.family).embed_media, []

    def few(self, hf, pixels):
        asked.append(len(pixels))
        if len(pixels) > 2 or model.remembered_bytes:
            raise RuntimeError("std::bad_alloc")
        return whole(self, hf, pixels)

    model.forget_media()
    model.embed_media([model.show("image", picture(9))])
    monkeypatch.setattr(type(model.family), "embed_media", few)
    for got, embedding in zip(model.embed_media(shown), expected, strict=True):
        torch.testing.assert_close(got, embedding)
    assert max(asked) == 5


def test_a_picture_that_does_not_fit_is_named(model: Model, monkeypatch: pytest.MonkeyPatch):
    def never(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(model.family), "embed_media", never)
    with pytest.raises(NotEnoughMemoryError, match=r"a picture of \d+ positions, .*does not"):
        model.embed_media([model.show("image", picture(1))])


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(space, "CGROUP", tmp_path)
    cpu = torch.device("cpu")
    host = space.total_bytes(cpu)
    (tmp_path / "memory.max").write_text("max\n")
    assert space.total_bytes(cpu) == host
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 100000\n")
    assert space.total_bytes(cpu) == 1_000_000
    assert space.free_bytes(cpu) == 400_000
