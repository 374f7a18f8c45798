"""The playground's work on a tiny model: the page itself is tested in a browser by ``make test-web``."""

import math
from dataclasses import replace

import pytest
from PIL import Image

from tests.conflicts import make_items
from trimtab.contribution import AnswerTrace
from trimtab.contribution.scores import Scores
from trimtab.engine import BlockAttention, Prompt, Row, ScaleHeads, run
from trimtab.errors import UsageError
from trimtab.items import read_items
from trimtab.steering import Instruction, MeanDifference
from trimtab.testing import picture, tiny_model
from trimtab.web import Limits, Playground, drawing
from trimtab.web.stories import STORIES, items_of_stories

ASKED = ("What is it?", "A dog sleeps.")


@pytest.fixture(scope="module")
def play(tmp_path_factory) -> Playground:
    model = tiny_model("llava", layers=2)
    items = make_items("train")
    ways = [MeanDifference(target="image", layer=1).fit(model, items), Instruction(target="text").fit(model, items)]
    return Playground(model, ways, 4, tmp_path_factory.mktemp("kept") / "items.jsonl", Limits(items=2, pixels=10_000))


def test_a_question_is_answered_by_all_and_by_each_alone(play):
    shown = play.ask(picture(), *ASKED)
    assert list(shown.alone) == ["image", "text"]
    assert sum(shown.shares.values()) == pytest.approx(1)
    assert shown.trace is not None
    assert "".join(shown.trace.tokens).split() == shown.answer.split()
    assert all(sum(step.shares.values()) == pytest.approx(1) for step in shown.trace.steps)
    alone = play.ask(picture(), ASKED[0], "")
    assert (alone.alone, alone.shares, alone.trace) == ({}, {}, None)
    assert alone.answer == shown.alone["image"]
    assert play.ask(None, *ASKED).answer == shown.alone["text"]


def test_a_steered_answer_has_a_receipt_and_strength_0_is_plain(play):
    assert list(play.ways) == ["mean, toward the image", "instruction, toward the text"]
    plain = play.steer(picture(), *ASKED, "mean, toward the image", 0)
    assert plain.answer == play.ask(picture(), *ASKED).answer
    steered = play.steer(picture(), *ASKED, "mean, toward the image", 8)
    assert "layer 1" in steered.receipt
    assert steered.answer != plain.answer
    assert "the prompt has the sentence" in play.steer(picture(), *ASKED, "instruction, toward the text", 1).receipt


def test_inside_says_what_cut_links_and_silent_heads_do(play):
    found = play.look_inside(picture(), *ASKED)
    first = run(play.model, [Row(Prompt(ASKED[0], [picture()], ASKED[1]))]).logits[0].softmax(-1)
    token = int(first.argmax())
    assert found.probability == pytest.approx(float(first[token]), abs=1e-5)
    edit = BlockAttention(("image",), ("last", "generated"), (0, 1))
    cut = run(play.model, [Row(Prompt(ASKED[0], [picture()], ASKED[1]), (edit,))], reuse=False).logits[0].softmax(-1)
    blind = next(link for link in found.links if link.name == "picture to answer")
    assert blind.probability == pytest.approx(float(cut[token]), abs=1e-5)
    head = found.heads[0]
    silent = Row(Prompt(ASKED[0], [picture()], ASKED[1]), (ScaleHeads(head.layer, (head.head,), at=("last",)),))
    without = run(play.model, [silent], reuse=False).logits[0].softmax(-1)
    assert head.probability == pytest.approx(float(without[token]), abs=1e-5)
    changes = [abs(one.probability - found.probability) for one in found.heads]
    assert changes == sorted(changes, reverse=True)
    masses = zip(*found.attention.values(), strict=True)
    assert [0 < sum(layer) < 1 for layer in masses] == [True, True]
    with pytest.raises(UsageError, match="got one alone"):
        play.look_inside(picture(), "What?", "")


@pytest.mark.parametrize("family", ["qwen3_5", "paligemma", "gemma4"])
def test_inside_of_families_whose_layers_or_tokens_attend_otherwise(family):
    """Layers that carry a state, tokens of a prompt that all see each other, heads of several widths."""
    model = tiny_model(family)
    play = Playground(model, [], 4)
    assert set(play.ask(picture(), *ASKED).shares) == {"image", "text"}
    found = play.look_inside(picture(), *ASKED)
    attending = [layer for layer, attends in enumerate(model.attends) if attends]
    masses = list(zip(*found.attention.values(), strict=True))
    assert [layer for layer, own in enumerate(masses) if math.isfinite(sum(own))] == attending
    assert all(0 < sum(masses[layer]) < 1 for layer in attending)
    assert {head.layer for head in found.heads} <= set(attending)
    assert found.carried == model.n_layers - len(attending)
    assert ("carry a state" in drawing.inside(found)) == (found.carried > 0)


def test_words_of_visitors_and_models_are_no_markup(play):
    drawn = drawing.receipt("<b>", "<script>")
    assert "&lt;b&gt;" in drawn
    assert "<script>" not in drawn
    trace = AnswerTrace("", ("<img>",), (Scores.of({"image": 1.0, "text": 1.0}),))
    assert "&lt;img&gt;" in drawing.words(trace)
    found = play.look_inside(picture(), *ASKED)
    odd = replace(found, links=(replace(found.links[0], answer="<img>"),))
    assert "<img>" not in drawing.inside(odd)


@pytest.mark.parametrize(
    ("shown", "asked", "said"),
    [
        (picture(), ("", "A dog."), "must not be empty"),
        (picture(), ("x" * 2001, ""), "at most 2000 characters; got 2001"),
        (picture(), ("What?", "x" * 2001), "the text must have at most 2000"),
        (Image.new("RGB", (200, 100)), ("What?", ""), "at most 10,000 pixels; got 200 x 100"),
        (None, ("What?", " "), "a picture or a text"),
    ],
)
def test_what_is_too_much_is_refused(play, shown, asked, said):
    with pytest.raises(UsageError, match=said):
        play.ask(shown, *asked)


def test_a_way_that_is_not_there_and_a_strength_out_of_bounds_are_refused(play):
    with pytest.raises(UsageError, match="must be one of mean, toward the image"):
        play.steer(picture(), *ASKED, "/etc/passwd", 1)
    for strength in (-1.0, 9.0, float("nan")):
        with pytest.raises(UsageError, match="from 0 to 8"):
            play.steer(picture(), *ASKED, "mean, toward the image", strength)


def test_questions_become_test_items_until_the_file_is_full(play):
    play.keep(picture(), *ASKED, "cat", "dog")
    play.keep(picture(1), "What is there?", "A cow.", "cat", "cow")
    kept = read_items(play.kept)
    assert [(i.id, i.question, i.answer_image, i.answer_text, i.split) for i in kept] == [
        ("playground-0001", "What is it?", "cat", "dog", "test"),
        ("playground-0002", "What is there?", "cat", "cow", "test"),
    ]
    assert kept[1].image is not None
    large = Playground(play.model, [], 4, play.kept.with_name("large.jsonl"), Limits(kept_side=100))
    item = large.keep(Image.new("RGB", (400, 200)), *ASKED, "cat", "dog")
    assert item.image is not None
    assert item.image.open().size == (100, 50)
    with pytest.raises(UsageError, match="at most 2 items"):
        play.keep(picture(), *ASKED, "cat", "dog")
    with pytest.raises(UsageError, match="must differ"):
        Playground(play.model, [], 4, play.kept.with_name("other.jsonl")).keep(picture(), *ASKED, "dog", "dog")
    with pytest.raises(UsageError, match="--out"):
        Playground(play.model, [], 4).keep(picture(), *ASKED, "cat", "dog")


def test_stories_are_conflicts_and_what_they_ask_for_is_there():
    items = items_of_stories()
    assert [*items] == [story.title for story in STORIES]
    for story in STORIES:
        item = items[story.title]
        assert {item.answer_image, item.answer_text} <= set(story.title.replace(",", "").lower().split())
        assert 0 <= story.strength <= Limits().strength
