"""The measure taken if none is named: what it says of the bundled models, its cost, and which engines do."""

import math
from collections.abc import Sequence
from statistics import median

import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import Contributions, Shapley, coalitions, measure, shapley, trace
from trimtab.contribution.coalitions import Coalitions, answer_log_p
from trimtab.contribution.measuring import ask
from trimtab.contribution.ranks import auroc, spearman
from trimtab.engine import Capability, Cost, ModelOrEngine, encode, generate
from trimtab.items import Item, judge, read_items
from trimtab.items.prompts import prompt_for
from trimtab.items.readers.pocket import item_from_pocket
from trimtab.models import Model, load
from trimtab.pocket import CHECKPOINTS
from trimtab.pocket import items as pocket_items
from trimtab.studies import choose_items
from trimtab.testing import FakeEngine

FEW = 12


@pytest.fixture(scope="module", params=CHECKPOINTS)
def pocket(request: pytest.FixtureRequest) -> Model:
    return load(request.param)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Cost]:
    """The cost of everything that the measure runs."""
    done: list[Cost] = []

    def counted(function):
        def call(*args, **options):
            found = function(*args, **options)
            done.append(found.cost)
            return found

        return call

    monkeypatch.setattr(coalitions, "run", counted(coalitions.run))
    monkeypatch.setattr(shapley, "generate", counted(shapley.generate))
    return done


def texts(model: ModelOrEngine, items: Sequence[Item]) -> list[str]:
    return generate(model, [prompt_for(item) for item in items], max_new_tokens=8).texts


def of_right_answers(model: Model, items: Sequence[Item]) -> Contributions:
    """Measure the items that the model answers as the picture does, which is right."""
    told = zip(items, texts(model, items), strict=True)
    right = [item for item, text in told if text.strip(" .").lower() == item.answer_of("image").lower()]
    assert len(right) >= FEW // 3
    return measure(model, right)


def test_it_tells_whose_answer_it_is_within_three_prefills(pocket: Model, work: list[Cost]):
    items = choose_items(read_items("pocket-mc2:validation"), 48, 0)
    found = measure(pocket, items)
    prefill = sum(len(encode(pocket, prompt_for(item))) for item in items)
    assert sum(cost.tokens for cost in work) < 3 * prefill
    labels = [judge(text, item).label for text, item in zip(texts(pocket, items), items, strict=True)]
    told = [(c.ratio, label == "image") for c, label in zip(found, labels, strict=True) if label != "other"]
    assert auroc([ratio for ratio, _ in told], [image for _, image in told]).value >= 0.95
    first = measure(pocket, items, method=Shapley(steps=1))
    assert spearman([c.ratio for c in found], [c.ratio for c in first]) >= 0.9


def test_irrelevant_agreeing_and_joint_items(pocket: Model):
    records = pocket_items("validation", kind="conflict")[:: len(pocket_items("validation", kind="conflict")) // FEW]
    pairs = [(item_from_pocket(record), record) for record in records]
    aside = of_right_answers(
        pocket, [i.replace(context=r.irrelevant_context, answer_text="nothing at all") for i, r in pairs]
    )
    assert median(c.ratio for c in aside) > 0.9
    agreeing = [i.replace(context=r.agreeing_context, answer_text="nothing at all") for i, r in pairs]
    both = of_right_answers(pocket, agreeing)
    assert 0.4 < median(c.ratio for c in both) < 0.75
    assert median(c.synergy or 0 for c in both) < -0.3
    joint = [item_from_pocket(record) for record in pocket_items("validation", kind="both")]
    needed = of_right_answers(pocket, choose_items(joint, 2 * FEW, 0))
    assert 0.35 < median(c.ratio for c in needed) < 0.75
    assert median(c.synergy or 0 for c in needed) > 0.2


def test_answers_that_begin_alike_are_told_apart_by_what_follows():
    model, every = load("pocket-qwen"), read_items("pocket-mc2:validation")
    alike = [i for i in every if len({answer.split()[0] for answer in (i.answer_image, i.answer_text)}) == 1]
    whole, first = measure(model, alike), measure(model, alike, method=Shapley(steps=1))
    labels = [judge(text, item).label for text, item in zip(texts(model, alike), alike, strict=True)]

    def area(found: Contributions) -> float:
        kept = [(c.ratio, label == "image") for c, label in zip(found, labels, strict=True) if label != "other"]
        return auroc([ratio for ratio, _ in kept], [image for _, image in kept]).value

    assert area(whole) > area(first)
    assert area(whole) >= 0.9


def test_a_longer_answer_counts_with_all_its_tokens(model: Model):
    cases, _ = ask(model, conflict_items(2), Shapley())
    sets = Coalitions.of(("image", "text"))
    answers = [[50, 60, 70], [80]]
    found = answer_log_p(model, cases, answers, sets)
    assert [tuple(own.shape) for own in found] == [(4, 3), (4, 1)]
    for case, answer, own in zip(cases, answers, found, strict=True):
        for place, token in enumerate(answer):
            (alone,) = answer_log_p(model, [case], [[*answer[:place], token]], sets)
            assert alone[:, -1].tolist() == pytest.approx(own[:, place].tolist(), abs=1e-5)


def test_it_needs_nothing_but_logits():
    engine = FakeEngine({Capability.LOGITS})
    found = measure(engine, conflict_items(3))
    assert all(0 <= c.ratio <= 1 and c.synergy is not None for c in found)
    told = trace(engine, conflict_items(1)[0])
    assert len(told.tokens) == len(told.steps) == 1


def test_a_trace_is_of_each_token_given_those_before(model: Model):
    item = conflict_items(1)[0]
    found = trace(model, item, max_new_tokens=3)
    answer = generate(model, [prompt_for(item)], max_new_tokens=3).tokens[0]
    assert found.tokens == tuple(model.tokenizer.decode([t]) for t in answer)
    [first] = measure(model, [item], method=Shapley(steps=1))
    assert found.steps[0].values == pytest.approx(first.scores, abs=1e-6)
    assert list(found.table().columns)[-2:] == ["ratio", "synergy"]


def test_synergy_is_what_no_modality_gives_alone():
    def worth(image: float, text: float, both: float) -> dict:
        sets = [frozenset(("image", "text")), frozenset(("image",)), frozenset(("text",)), frozenset[str]()]
        return dict(zip(sets, (both, image, text, 0.0), strict=True))

    def scored(*given: float):
        return shapley.shapley_scores(("image", "text"), worth(*given))

    assert scored(1, 1, 1) == ({"image": 0.5, "text": 0.5}, {"image": 0.5, "text": 0.5}, -1)
    assert scored(0, 0, 1) == ({"image": 0.5, "text": 0.5}, {"image": 0.5, "text": 0.5}, 1)
    assert scored(1, 0, 1) == ({"image": 1, "text": 0}, {"image": 1, "text": 0}, 0)


def test_what_rounding_alone_moves_is_none():
    worth = Shapley().score(Coalitions.of(("image", "text")), -1e-8 * torch.arange(4.0))
    assert worth.values == {"image": 0.0, "text": 0.0}
    assert math.isnan(worth.shares["image"])
