"""The benchmark: sizes, determinism, and splits that share nothing they should not."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from trimtab import pocket
from trimtab.errors import UsageError
from trimtab.items import read_items, split_overlap
from trimtab.pocket import bank, wording
from trimtab.pocket.benchmark import SPLITS, TASKS, draw, mentions, split_of
from trimtab.pocket.sentences import CORES, FILLERS, FRAMES
from trimtab.pocket.unimodal import FACTS

CONFLICTS = {split: pocket.items(split) for split in SPLITS}


def test_every_task_has_its_number_of_items():
    for split, per_task in SPLITS.items():
        assert Counter(item.task for item in CONFLICTS[split]) == dict.fromkeys(TASKS, per_task)
    assert len(CONFLICTS["test"]) == 2000


def test_ids_are_unique():
    ids = [item.id for part in CONFLICTS.values() for item in part]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("kind", ["conflict", "classification", "closed_book", "both"])
def test_same_seed_same_items(kind):
    again = pocket.items("validation", kind=kind)
    assert again == pocket.items("validation", kind=kind)
    assert again != pocket.items("validation", seed=1, kind=kind)


def test_vocabulary_is_large_enough():
    assert len(bank.OBJECT_PICTURES) >= 60
    assert len(bank.SPORTS) >= 14
    assert len(bank.ACTIVITIES) >= 9
    assert len(bank.MOODS) >= 8
    assert len(bank.COLORS) >= 8
    assert len(FACTS) >= 60


@pytest.mark.parametrize(("first", "second"), list(combinations(SPLITS, 2)))
def test_splits_share_no_sentence(first, second):
    assert not set(FRAMES[first]) & set(FRAMES[second])
    assert not set(FILLERS[first]) & set(FILLERS[second])
    for cores in CORES.values():
        assert not set(cores[first]) & set(cores[second])
    assert not set(pocket.instructions_for("image", first)) & set(pocket.instructions_for("image", second))
    assert not set(pocket.instructions_for("text", first)) & set(pocket.instructions_for("text", second))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_dozen_templates(task, split):
    assert sum(len(CORES[kind][split]) for kind in TASKS[task]) * len(FRAMES[split]) >= 12


def test_splits_share_no_question_with_the_same_pair_of_answers():
    seen = {
        split: {(item.task, item.question, item.answer_image, item.answer_text) for item in part}
        for split, part in CONFLICTS.items()
    }
    for first, second in combinations(SPLITS, 2):
        assert not seen[first] & seen[second]


@pytest.mark.parametrize(
    ("source", "shares"),
    [
        ("pocket-mc2", (83.3, 0.0, 47.9, 68.3, 0.0, 11.9)),
        ("pocket-interference", (100.0, 0.0, 63.6, 64.9, 61.0, 61.3)),
    ],
)
def test_what_of_the_test_items_occurs_in_training_is_what_the_page_on_studies_says(source, shares):
    found = split_overlap(read_items(f"{source}:test"), read_items(f"{source}:train"))
    assert tuple(round(100 * share, 1) for share in found.values()) == shares
    page = (Path(__file__).parents[2] / "docs" / "study.md").read_text(encoding="utf-8")
    assert f"| `{source}:test` | {' | '.join(f'{share:.1f}' for share in shares)} |" in page


def test_every_answer_can_occur_in_every_split():
    for kind, subject, answers in (
        ("sport", "", tuple(bank.SPORTS)),
        ("activity", "", tuple(bank.ACTIVITIES)),
        ("mood", "", tuple(bank.MOODS)),
        ("object", "animal", tuple(bank.OBJECTS["animal"])),
        ("color", "umbrella", tuple(bank.COLORS)),
    ):
        for split in ("train", "test"):
            for place in (0, 1):
                pairs = [p for p in _pairs(answers) if split_of(kind, subject, *p) == split]
                assert {pair[place] for pair in pairs} == set(answers)


def _pairs(answers):
    return [(a, b) for a in answers for b in answers if a != b]


def test_test_items_use_every_small_answer():
    for task, answers in (("counting", bank.NUMBERS), ("color", bank.COLORS), ("sport_recognition", bank.SPORTS)):
        for split in ("train", "test"):
            mine = [item for item in CONFLICTS[split] if item.task == task]
            assert {item.answer_image for item in mine} == set(answers)
            assert {item.answer_text for item in mine} == set(answers)


@pytest.mark.parametrize("split", SPLITS)
def test_context_never_states_the_image_answer(split):
    for item in CONFLICTS[split]:
        assert item.answer_image != item.answer_text
        assert not mentions(item.context, item.answer_image)


def test_fixed_sentences_hold_no_answer():
    words = [
        *bank.OBJECT_PICTURES, *bank.SPORTS, *bank.ACTIVITIES, *bank.MOODS, *bank.COLORS, *bank.NUMBERS, *bank.PATTERNS,
        *bank.ORIENTATIONS, *bank.SIZES, *bank.SHAPES, *bank.CORNERS, *bank.ARRANGEMENTS,
    ]  # fmt: skip
    for split in SPLITS:
        cores = [core for kinds in CORES.values() for core in kinds[split]]
        for sentence in (*FRAMES[split], *FILLERS[split], *cores):
            assert not [word for word in words if mentions(sentence, word)], sentence


def test_irrelevant_context_supports_nothing():
    for item in CONFLICTS["test"]:
        assert not mentions(item.irrelevant_context, item.answer_image)
        assert not mentions(item.irrelevant_context, item.answer_text)


def test_text_answers_are_stated_or_hinted_at():
    stated = sum(mentions(item.context, item.answer_text) for item in CONFLICTS["test"])
    assert 0.4 < stated / len(CONFLICTS["test"]) < 0.9  # the rest is hinted at, as in MC2


def test_every_answer_has_hints():
    for answers, hints in (
        (bank.SPORTS, wording.SPORT_HINTS),
        (bank.ACTIVITIES, wording.ACTIVITY_HINTS),
        (bank.MOODS, wording.MOOD_HINTS),
        (bank.COLORS, wording.COLOR_HINTS),
        (bank.PATTERNS, wording.PATTERN_HINTS),
        (bank.SHAPES, wording.SHAPE_HINTS),
    ):
        assert set(answers) == set(hints)
        assert all(len(phrases) >= 2 for phrases in hints.values())


@pytest.mark.parametrize(
    ("noun", "many"), [("mouse", "mice"), ("bus", "buses"), ("cherry", "cherries"), ("key", "keys")]
)
def test_plurals(noun, many):
    assert wording.plural(noun) == many


@pytest.mark.parametrize("name", pocket.CHECKPOINTS)
def test_a_third_of_the_answers_take_several_tokens(name):
    tokenizer = AutoTokenizer.from_pretrained(pocket.checkpoint(name))
    space = "" if name == "pocket-qwen" else " "

    def tokens(answer: str) -> int:
        return len(tokenizer(space + answer, add_special_tokens=False)["input_ids"])

    items = CONFLICTS["test"]
    several = sum(max(tokens(item.answer_image), tokens(item.answer_text)) > 1 for item in items)
    assert several >= len(items) / 3


@pytest.mark.parametrize("name", pocket.CHECKPOINTS)
def test_contexts_are_short(name):
    tokenizer = AutoTokenizer.from_pretrained(pocket.checkpoint(name))
    lengths = sorted(len(tokenizer(item.context)["input_ids"]) for item in CONFLICTS["test"])
    assert 25 <= lengths[len(lengths) // 2] <= 60


def test_unimodal_items_keep_their_promises():
    for item in pocket.items("test", kind="classification"):
        assert item.relevant == "image"
        assert {item.answer_image, item.answer_text} <= set(item.choices)
        assert not mentions(item.context, item.answer_image)
    for item in pocket.items("test", kind="closed_book"):
        assert item.relevant == "text"
        assert item.context == ""
        assert item.answer_text in item.choices
    for item in pocket.items("test", kind="both"):
        assert item.relevant == "both"
        assert not any(mentions(item.context, choice) for choice in item.choices)
        assert item.answer_text in item.choices
        assert len(set(item.choices)) == 4  # two of them fit the picture, and two the request


def test_wrong_names_are_refused():
    with pytest.raises(UsageError, match="split"):
        pocket.items("dev")
    with pytest.raises(UsageError, match="kind"):
        pocket.items("test", kind="other")
    with pytest.raises(UsageError, match="name"):
        pocket.checkpoint("pocket-gpt")


def test_draw_is_driven_by_its_source_of_randomness():
    assert draw("color", "train", random.Random(5)) == draw("color", "train", random.Random(5))
