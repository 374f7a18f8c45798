"""Frames of video files, read by PyAV: which are taken, how long the clip lasts, what is refused."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trimtab.errors import DataError, MissingDependencyError
from trimtab.media import Held, film, open_clip

av = pytest.importorskip("av")
COLOURS = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10), (10, 250, 250)]


def write(path: Path, frames: int, rate: int = 10, size: tuple[int, int] = (64, 48), format: str | None = None) -> Path:
    """A film that shows another colour every half second; its top row is white."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(frames):
            pixels = np.full((size[1], size[0], 3), COLOURS[2 * number // rate % len(COLOURS)], np.uint8)
            pixels[: size[1] // 4] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def colours(clip) -> list[tuple[int, ...]]:
    width, height = clip.size
    return [frame.getpixel((width // 2, 3 * height // 4)) for frame in clip.frames]


def assert_colours(found, expected):
    assert np.abs(np.array(found) - np.array(expected)).max() < 40


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov"])
def test_two_frames_a_second_are_taken(tmp_path, suffix):
    clip = open_clip(write(tmp_path / f"film.{suffix}", 25))
    assert (len(clip), clip.size, clip.seconds) == (5, (64, 48), 2.5)
    assert_colours(colours(clip), COLOURS)


def test_a_short_film_has_four_frames_and_a_slow_one_its_own_again(tmp_path):
    short = open_clip(write(tmp_path / "short.mp4", 10))
    assert (len(short), short.seconds) == (4, pytest.approx(1.0))
    assert_colours(colours(short), [COLOURS[0]] * 2 + [COLOURS[1]] * 2)
    slow = open_clip(write(tmp_path / "slow.mp4", 4, rate=1))
    assert (len(slow), slow.seconds) == (7, 3.5)


def test_bytes_are_the_same_film_and_it_is_opened_again_when_it_was_let_go_of(tmp_path):
    path = write(tmp_path / "film.mp4", 20)
    first, again = open_clip(path), open_clip(path.read_bytes())
    assert first.fingerprint == again.fingerprint
    held = Held(again, "video")
    del again
    assert held.open().fingerprint == first.fingerprint


def test_a_film_that_was_held_sideways_is_turned_upright(tmp_path):
    path = write(tmp_path / "film.mp4", 20)
    one = (1 << 16).to_bytes(4, "big")
    zero, minus, end = bytes(4), (2**32 - (1 << 16)).to_bytes(4, "big"), (1 << 30).to_bytes(4, "big")
    data = path.read_bytes()
    track = data.index(b"tkhd")
    straight = one + zero * 3 + one + zero * 3 + end
    assert straight in data[track:]
    turned = zero + one + zero + minus + zero * 4 + end  # clockwise, as players show it
    path.write_bytes(data[:track] + data[track:].replace(straight, turned, 1))
    clip = open_clip(path)
    assert clip.size == (48, 64)
    pixels = np.asarray(clip.frame(0))
    assert pixels[32, 46].min() > 200  # the white top row is on the right
    assert np.ptp(pixels[32, 2]) > 150


def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch):
    broken = write(tmp_path / "film.mp4", 20).read_bytes()
    with pytest.raises(DataError, match="video .* is broken or no video file .*; fetch it again"):
        open_clip(broken[:200])
    monkeypatch.setattr("trimtab.media.clip.MAX_FRAMES", 3)
    with pytest.raises(DataError, match="must have at most 3 frames; it is longer; cut it"):
        open_clip(broken)
    monkeypatch.undo()
    monkeypatch.setattr(film, "MAX_BYTES", 3 * 64 * 48 * 2)
    with pytest.raises(DataError, match="as pictures of 64 x 48; it is longer; cut it or scale it down"):
        open_clip(broken)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'trimtab\[video\]', or give its frames as"):
        open_clip(broken)


def test_an_animated_picture_needs_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    buffer, frames = io.BytesIO(), [Image.new("RGB", (8, 8), colour) for colour in COLOURS[:2]]
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=100)
    assert len(open_clip(buffer.getvalue())) == 2
