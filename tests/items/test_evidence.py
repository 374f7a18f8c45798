"""Items of any modalities: their evidence, the columns, and what is stored of items from before there were others."""

import copy
import inspect
import json
import pickle
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from trimtab.errors import UsageError
from trimtab.items import (
    Evidence,
    Item,
    MediaBytes,
    MediaFile,
    items_fingerprint,
    judge,
    read_items,
    remembered,
    split_items,
    valid_answers,
    write_items,
)
from trimtab.items.evidence import COLUMNS
from trimtab.items.prompts import INSTRUCTIONS, instruction_for
from trimtab.media import Clip
from trimtab.modalities import ColumnsGiven, ColumnsRead
from trimtab.testing import clip, picture, sound

OLD = Path(__file__).parent / "old"
TRIO = Item(
    "1",
    "animal",
    "What is it?",
    image=b"picture",
    context="A dog.",
    audio=b"sound",
    answer_image="cat",
    answer_text="dog",
    answer_audio="cow",
    aliases_audio=("cattle",),
)


@pytest.mark.parametrize("name", ["items.jsonl", "items.parquet"])
def test_files_from_before_there_were_other_modalities_are_read_and_written_as_they_were(tmp_path, name):
    items = read_items(OLD / name)
    assert items_fingerprint(items) == "93c4c267c294f8761f0aad5c8bb2468f1a72ff80be75ee29077fb283697a65ab"
    assert remembered(items) == "0l2h9ptnG7bFLOQqsR7BmCu4JpRnAJcRU3SiFRtp"
    relevant = [item.relevant for item in items]
    assert relevant == [None, ("image",), ("image",), ("text",), ("image", "text")]
    if name == "items.jsonl":
        assert write_items(items, tmp_path / name).read_bytes() == (OLD / name).read_bytes()


def test_what_is_stored_of_the_bundled_items_stays_true():
    items = read_items("pocket-interference:test")
    assert items_fingerprint(items) == "9f650852ed0f9031ec7c726b00b61f96d7ecd9ab298e57489f2872b26f97c38e"
    digest = "6582ae91f562e40936eb404127d42637add74c8aa0df0a0d4a04a5e75ef4d960"
    assert sha256(remembered(items).encode()).hexdigest() == digest
    missing = Item("1", "t", "What?", context=" ", answer_image="cat", answer_text="dog", image="missing.png")
    assert items_fingerprint([missing]) == "b06b43272ae91f3be2ec8f559fe677fba33207ef47adecf3bec9a5dd3f4ee705"


def test_evidence_and_columns_are_two_ways_to_say_the_same():
    given = {
        "audio": Evidence(b"sound", "cow", ("cattle",)),
        "text": Evidence("A dog.", "dog"),
        "image": Evidence(b"picture", "cat"),
    }
    item = Item("1", "animal", "What is it?", given)  # pyright: ignore[reportArgumentType]
    assert (item, hash(item)) == (TRIO, hash(TRIO))
    assert item.modalities == ("image", "text", "audio")
    assert (item.answer_of("audio"), item.aliases_of("audio"), item.answer_of("video")) == ("cow", ("cattle",), "")
    assert (item.audio, item.video, item.context) == (MediaBytes(b"sound", kind="audio"), None, "A dog.")
    assert pickle.loads(pickle.dumps(item)) == copy.deepcopy(item) == item


def test_columns_are_those_of_the_modalities_and_a_call_says_so():
    parameters = inspect.signature(Item).parameters
    assert set(COLUMNS) == set(ColumnsGiven.__annotations__) == set(ColumnsRead.__annotations__) < set(parameters)
    assert (parameters["context"].default, parameters["audio"].default) == ("", None)
    with pytest.raises(UsageError, match=r"argument 'answer_adio'.*did you mean 'answer_audio'\?"):
        Item("1", "t", "What?", answer_adio="cow")  # pyright: ignore[reportCallIssue]
    with pytest.raises(AttributeError):
        TRIO.id = "2"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        TRIO.evidence["text"] = Evidence()  # pyright: ignore[reportIndexIssue]


def test_a_column_is_replaced_and_nothing_else():
    read = TRIO.replace(audio=None, answer_audio="", aliases_audio=())
    assert read.modalities == ("image", "text")
    assert (read.context, read.answer_image, read.id) == ("A dog.", "cat", "1")
    assert TRIO.replace(id="2").evidence == TRIO.evidence


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"answer_audio": ""}, "`answer_audio` of item '1' must contain a word"),
        ({"answer_audio": "Dog"}, "`answer_text` and `answer_audio` of item '1' must differ; 'dog'"),
        ({"relevant": ("image", "audio")}, "`answer_image` and `answer_audio` of item '1' must be the same"),
        ({"relevant": ()}, "`relevant` of Item must be one of image, text, both, audio, video"),
        ({"audio": MediaFile(Path("a.png"))}, "`audio` of Item must be a source of that kind; got one of kind 'image'"),
        ({"evidence": {"smell": Evidence()}}, "must give an Evidence for modalities among image, text, audio, video"),
        ({"evidence": ["image"]}, "`evidence` of Item must be modalities and their Evidence"),
    ],
)
def test_evidence_that_cannot_be_is_refused(change, match):
    with pytest.raises(UsageError, match=match):
        TRIO.replace(**change)


def test_what_is_relevant_is_a_set_of_modalities():
    alone = TRIO.replace(relevant="audio")
    assert (alone.relevant, alone.answer) == (("audio",), "cow")
    joined = TRIO.replace(relevant=["audio", "image"], answer_image="cow", choices=("cow", "dog"))
    assert (joined.relevant, joined.answer) == (("image", "audio"), "cow")
    assert joined == joined.replace(relevant="audio+image")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_sounds_come_back_beside_pictures(tmp_path, suffix, jpeg):
    trio = TRIO.replace(image=jpeg())
    joined = trio.replace(id="2", relevant=("image", "audio"), answer_image="cow", choices=("cow", "dog"))
    heard = Item("3", "animal", "What?", audio=b"other", answer_audio="cow", video=jpeg("blue"), answer_video="dog")
    told = Item("4", "animal", "What?", context="A dog.", answer_image="cat", answer_text="dog")
    items = [trio, joined, heard, told]
    path = write_items(items, tmp_path / f"items{suffix}")
    back = read_items(path)
    assert items_fingerprint(back) == items_fingerprint(items)
    assert [item.relevant for item in back] == [None, ("image", "audio"), None, None]
    if suffix == ".jsonl":
        assert sorted(f.name for f in tmp_path.iterdir()) == ["items-audio", "items-images", "items-video", path.name]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_sounds_and_clips_in_memory_are_written_without_loss(tmp_path, suffix):
    still = np.zeros((3, 6, 8, 3), np.uint8)
    heard = Item("1", "t", "?", audio=sound(1), video=(Clip(still, 1.0)), answer_audio="cow", answer_video="dog")
    moving = heard.replace(id="2", audio=(np.full(9, 0.1), 8000), video=clip(2))
    back = read_items(write_items([heard, moving], tmp_path / f"items{suffix}"))
    for item, one in zip((heard, moving), back, strict=True):
        assert one.audio is not None
        assert item.audio is not None
        assert one.audio.open().fingerprint == item.audio.open().fingerprint
        assert one.video is not None
        assert item.video is not None
        assert one.video.open().fingerprint == item.video.open().fingerprint


def test_a_clip_may_be_a_folder_of_frames(tmp_path):
    (tmp_path / "frames").mkdir()
    for number in range(2):
        picture(number).save(tmp_path / "frames" / f"{number}.png")
    row = {"id": "1", "task": "t", "question": "?", "video": "frames", "answer_video": "dog", "answer_text": "cat"}
    (tmp_path / "items.jsonl").write_text(json.dumps({**row, "context": "A cat."}))
    (item,) = read_items(tmp_path / "items.jsonl")
    (back,) = read_items(write_items([item], tmp_path / "back.jsonl"))
    assert item.video is not None
    assert back.video is not None
    assert len(back.video.open()) == 2
    assert back.video.open().fingerprint == item.video.open().fingerprint


def test_what_a_third_modality_says_counts():
    changes = ({"audio": b"else"}, {"answer_audio": "hen"}, {"aliases_audio": ()})
    assert len({items_fingerprint([item]) for item in (TRIO, *(TRIO.replace(**one) for one in changes))}) == 4
    assert remembered([TRIO]) != remembered([TRIO.replace(answer_audio="hen")])


def test_a_reply_follows_one_of_several():
    assert [judge(reply, TRIO).label for reply in ("A cat.", "a dog", "Cattle!", "a cow, not a dog", "a hen")] == [
        "image",
        "text",
        "audio",
        "audio",
        "other",
    ]
    mixed = judge("a cat and a dog", TRIO)
    assert (mixed.label, mixed.reason) == ("other", "joins both answers by 'and'")
    assert judge("a cat, then a dog or a cow", TRIO).label == "other"
    assert valid_answers([TRIO])["animal"] == {"cat", "dog", "cow", "cattle"}


def test_items_that_share_anything_shown_stay_together():
    def item(name: str, image: bytes | None, audio: bytes) -> Item:
        return Item(name, "t", "?", image=image, audio=audio, answer_image="cat", answer_audio="cow")

    chain = [item("1", b"a", b"x"), item("2", b"b", b"x"), item("3", b"b", b"y"), item("4", b"c", b"z")]
    splits = split_items(chain, {"train": 0.5, "test": 0.5})
    assert sorted([i.id for i in part] for part in splits.values()) == [["1", "2", "3"], ["4"]]


def test_an_instruction_names_what_to_follow_among_what_there_is():
    assert instruction_for("text") == INSTRUCTIONS["text"]
    assert instruction_for("audio", ("audio", "text", "image")) == (
        "In case there is an inconsistency between the audio content, the text context and the image content, you "
        "should follow the audio content rather than the text context or the image content."
    )
    with pytest.raises(UsageError, match="`among` of instruction_for must name a modality beside audio"):
        instruction_for("audio", ("audio",))
