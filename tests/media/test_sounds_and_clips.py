"""Sounds and clips: every form they come in, what is refused, and that prompts hold little of them."""

import pickle
import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trimtab.engine import Prompt
from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.media import Clip, Sound, open_clip, open_medium, open_sound
from trimtab.testing import clip, picture, sound

RAMP = np.linspace(-1, 1, 400, dtype=np.float32)


def write_wave(path: Path, samples: np.ndarray, width: int, channels: int = 1, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        if width == 1:
            data = ((samples + 1) * 127.5).astype(np.uint8).tobytes()
        else:
            whole = (samples.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype("<i4")
            data = whole.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        file.writeframes(data)
    return path


@pytest.mark.parametrize(("width", "error"), [(1, 2e-2), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_wave_files_of_all_widths_are_the_same_sound(tmp_path, width, error):
    opened = open_sound(write_wave(tmp_path / "a.wav", RAMP, width))
    assert opened.rate == 8000
    np.testing.assert_allclose(opened.samples, RAMP, atol=error)
    assert open_sound((tmp_path / "a.wav").read_bytes()).fingerprint == opened.fingerprint


def test_waves_of_floats_are_taken_as_they_are():
    data = RAMP.astype("<f4").tobytes()
    header = b"fmt " + struct.pack("<IHHIIHH", 16, 3, 1, 8000, 32000, 4, 32)
    body = b"WAVE" + header + b"data" + struct.pack("<I", len(data)) + data
    opened = open_sound(b"RIFF" + struct.pack("<I", len(body)) + body)
    np.testing.assert_array_equal(opened.samples, RAMP)


def test_channels_become_one_and_every_form_is_the_same_sound(tmp_path):
    both = np.stack([RAMP, -RAMP], axis=1)
    assert not open_sound(write_wave(tmp_path / "b.wav", both.reshape(-1), 2, channels=2)).samples.any()
    made = Sound(RAMP, 8000)
    forms = [(RAMP, 8000), {"array": RAMP, "sampling_rate": 8000}, made, Sound(np.stack([RAMP, RAMP]), 8000)]
    assert {open_sound(form).fingerprint for form in forms} == {made.fingerprint}
    assert Sound(RAMP, 16000).fingerprint != made.fingerprint


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 8000])
def test_another_rate_keeps_length_and_what_it_can_hold_and_folds_nothing_back(rate):
    """A tone that 16 kHz can hold stays as it is; one above, which taking every third sample would turn into another
    one that is as loud, is gone."""

    def tone(hertz: float, rate: int) -> Sound:
        return Sound(np.sin(2 * np.pi * hertz * np.arange(rate) / rate), rate)

    inside = slice(1000, -1000)  # a filter sees silence before the beginning and after the end
    slow = tone(1000, rate).at_rate(16000)
    assert (slow.rate, len(slow.samples)) == (16000, 16000)
    np.testing.assert_allclose(slow.samples[inside], tone(1000, 16000).samples[inside], atol=2e-3)
    if rate > 24000:
        assert np.abs(tone(10000, rate).at_rate(16000).samples[inside]).max() < 0.01


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"RIFF0000WAVE", "must be a WAV file"),
        ((np.array([np.nan]), 8000), "must be finite"),
        ((np.zeros(0), 8000), "must be 1 to"),
        ((RAMP, 0), "`rate` of a sound"),
    ],
)
def test_sounds_that_cannot_be_heard_are_refused(source, message):
    with pytest.raises(DataError, match=message):
        open_medium("audio", source)


def test_what_holds_no_medium_is_refused(tmp_path):
    with pytest.raises(MissingImageError, match="audio .*nothing.wav is not there"):
        open_medium("audio", tmp_path / "nothing.wav")
    with pytest.raises(UsageError, match=r"give \(samples, rate\)"):
        open_medium("audio", RAMP)
    with pytest.raises(UsageError, match="`kind` of a medium must be one of image, .*; got 'text'"):
        open_medium("text", "a text")


def test_clips_of_every_form_are_the_same(tmp_path):
    frames = [picture(i) for i in range(3)]
    made = Clip(frames)
    for number, frame in enumerate(frames):
        frame.save(tmp_path / f"{number}.png")
    frames[0].save(tmp_path.with_suffix(".webp"), save_all=True, append_images=frames[1:], duration=500, lossless=True)
    forms = [frames, np.stack([np.asarray(f) for f in frames]), tmp_path, tmp_path.with_suffix(".webp"), made]
    assert {open_clip(form).fingerprint for form in forms} == {made.fingerprint}
    assert made.seconds == 1.5
    assert Clip(frames, 9.0).fingerprint != made.fingerprint


@pytest.mark.parametrize(
    ("frames", "message"), [([], "must be 1 to"), ([picture(0), picture(1, (28, 28))], "must be of one size")]
)
def test_clips_that_cannot_be_shown_are_refused(frames, message):
    with pytest.raises(DataError, match=message):
        Clip(frames)


def test_a_prompt_opens_its_media_again_from_their_files(tmp_path):
    path = write_wave(tmp_path / "a.wav", RAMP, 2)
    prompt = Prompt("What is it?", picture(1), media={"audio": [path], "video": [clip(2)]})
    assert prompt.modalities == ("image", "audio", "video")
    key = prompt.media["audio"][0].fingerprint
    again = pickle.loads(pickle.dumps(prompt))
    assert again.media["audio"][0].fingerprint == key
    assert [part.name for part in again.parts()] == ["image", "audio", "video", "question"]


def test_changed_prompts_keep_the_media_that_were_not_changed():
    prompt = Prompt("What is it?", picture(1), "A dog.", media={"audio": [sound(1)]})
    assert replace(prompt, question="Who?").modalities == ("image", "text", "audio")
    assert replace(prompt, images=()).modalities == ("text", "audio")
    for modality in prompt.modalities:
        assert prompt.without(modality).modalities == tuple(m for m in prompt.modalities if m != modality)
    assert isinstance(Prompt("What?", media={"image": [picture(1)]}).images[0], Image.Image)


@pytest.mark.parametrize("media", [{"smell": []}, [sound(1)], {"image": [picture(1)]}])
def test_media_of_other_kinds_and_pictures_given_twice_are_refused(media):
    with pytest.raises(UsageError, match="`media` of Prompt"):
        Prompt("What is it?", picture(1), media=media)
