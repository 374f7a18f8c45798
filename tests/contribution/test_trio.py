"""Scores of three modalities, on random models and on ones whose answer mixes the three with known weights."""

import math
from itertools import permutations
from statistics import fmean

import pytest
import torch

from tests.contribution.items import conflict_items, trio_items
from trimtab.contribution import (
    MCS,
    Ablation,
    AttentionMass,
    GradientTimesInput,
    Method,
    Shapley,
    agreement,
    measure,
    trace,
)
from trimtab.contribution.shapley import shapley_value
from trimtab.contribution.spans import segment
from trimtab.contribution.spoiling import spoilt, without
from trimtab.engine import Prompt, encode, run
from trimtab.errors import DataError, UsageError
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.testing import clip, planted_trio, sound, tiny_trio

TRIO: tuple[Modality, ...] = ("image", "text", "audio")
SAMPLED = MCS(divergence="kl", estimator="sampled")
CLAIM_ORDER: list[Method] = [
    MCS.paper(),
    SAMPLED,
    MCS(divergence="probability", estimator="sampled", text="prompt"),
    MCS(divergence="kl", estimator="sampled", site="embeddings"),
    Shapley(),
    Shapley("log_probability"),
    Ablation(),
    Ablation("noise"),
]
REACHED: list[Method] = [Shapley(), MCS(), MCS.paper(), SAMPLED, GradientTimesInput()]
ALL: list[Method] = [
    *CLAIM_ORDER,
    MCS(),
    MCS(divergence="kl", estimator="sampled", vocabulary="answers", ratio="mean_of_ratios", steps=2),
    Ablation("shuffle"),
    AttentionMass(),
    GradientTimesInput(),
]


def named(methods: list[Method]) -> list[str]:
    return [f"{method.name}-{place}" for place, method in enumerate(methods)]


@pytest.fixture(scope="module")
def trio() -> Model:
    return tiny_trio(check=False)


@pytest.fixture(scope="module")
def planted() -> dict[tuple[float, ...], Model]:
    """A model for each order of three weights, those of image, text and audio."""
    return {w: planted_trio(dict(zip(TRIO, w, strict=True))) for w in permutations((0.04, 0.2, 1.0))}


@pytest.mark.parametrize("method", CLAIM_ORDER, ids=named(CLAIM_ORDER))
def test_orders_the_three_as_planted(planted: dict[tuple[float, ...], Model], method: Method):
    for weights, model in planted.items():
        found = measure(model, trio_items(), method=method)
        means = [fmean(c.share(modality) for c in found) for modality in TRIO]
        assert sorted(range(3), key=lambda k: means[k]) == sorted(range(3), key=lambda k: weights[k]), weights


def test_the_limit_shares_out_as_its_law_says(planted: dict[tuple[float, ...], Model]):
    """Values of n tokens that are averaged with N in all inform the answer by ``n (weight / N) ** 2``."""
    [item], config = trio_items(1), MCS(entries="values", top_tokens=400)
    for weights, model in planted.items():
        prompt = encode(model, prompt_for(item))
        n = [len(segment(prompt, modality)) for modality in TRIO]
        averaged = [n[0], len(prompt) - 1 - n[0] - n[2], n[2]]
        law = [w**2 * own / among**2 for w, own, among in zip(weights, n, averaged, strict=True)]
        [found] = measure(model, [item], method=config)
        assert list(found.shares.values()) == pytest.approx([part / sum(law) for part in law], abs=0.01)


@pytest.mark.parametrize("absent", TRIO)
@pytest.mark.parametrize("method", REACHED, ids=named(REACHED))
def test_exactly_zero_for_one_that_cannot_reach_the_answer(absent: Modality, method: Method):
    model = planted_trio({modality: 0.5 for modality in TRIO if modality != absent})
    for found in measure(model, trio_items(2), method=method):
        assert found.scores[absent] == found.share(absent) == 0
        assert all(abs(score) > 0 for modality, score in found.scores.items() if modality != absent)


@pytest.mark.parametrize("absent", TRIO)
@pytest.mark.parametrize("method", [Shapley(), Shapley("log_probability"), Ablation(), Ablation("noise")], ids=repr)
def test_spoiling_what_cannot_reach_the_answer_changes_it_by_rounding_at_most(absent: Modality, method: Method):
    model = planted_trio({modality: 0.5 for modality in TRIO if modality != absent})
    for found in measure(model, trio_items(2), method=method):
        assert found.share(absent) < 1e-5


@pytest.mark.parametrize("method", ALL, ids=named(ALL))
def test_a_batch_of_three_modalities_equals_one_item_alone(trio: Model, method: Method):
    items = trio_items()
    together = measure(trio, items, method=method)
    assert [c.item_id for c in together] == [item.id for item in items]
    for item, c in zip(items, together, strict=True):
        [alone] = measure(trio, [item], method=method)
        assert c.modalities == TRIO
        assert alone.scores == pytest.approx(c.scores, rel=1e-3, abs=1e-7)
        assert sum(c.shares.values()) == pytest.approx(1)
        assert all(0 <= share <= 1 for share in c.shares.values())


def test_the_limit_is_what_the_sampled_score_tends_to(trio: Model):
    [limit] = measure(trio, trio_items(1), method=MCS(top_tokens=400))
    [sampled] = measure(
        trio, trio_items(1), method=MCS(sigmas=(0.02,), draws=256, divergence="kl", estimator="sampled")
    )
    assert list(sampled.shares.values()) == pytest.approx(list(limit.shares.values()), abs=0.03)


def test_shapley_values_of_three_sum_to_what_all_add(trio: Model):
    [item] = trio_items(1)
    prompt = prompt_for(item)
    whole, nothing = run(trio, [prompt, without(prompt, *TRIO)]).logits.double().softmax(-1)
    [found] = measure(trio, [item], method=Shapley())
    token = whole.argmax()
    assert sum(found.scores.values()) == pytest.approx(float(whole[token] - nothing[token]), abs=1e-6)


def test_a_shapley_value_is_the_mean_over_all_orders_of_adding():
    players = ("a", "b", "c", "d")
    worth = {}
    for place in range(16):
        worth[frozenset(p for n, p in enumerate(players) if place >> n & 1)] = math.sin(7.0 * place)
    for player in players:
        gains = []
        for order in permutations(players):
            before = frozenset(order[: order.index(player)])
            gains.append(worth[before | {player}] - worth[before])
        assert shapley_value(player, players, worth) == pytest.approx(fmean(gains))


def test_items_of_different_modalities_are_measured_side_by_side(trio: Model):
    items = [*trio_items(2), *(item.replace(id=f"pair-{item.id}") for item in conflict_items(2))]
    mixed = [items[2], items[0], items[3], items[1]]
    found = measure(trio, mixed)
    assert [c.item_id for c in found] == [item.id for item in mixed]
    assert [len(c.modalities) for c in found] == [2, 3, 2, 3]
    assert found[1::2] == measure(trio, mixed[1::2])
    table = found.table()
    assert table["audio"].isna().tolist() == table["share_audio"].isna().tolist() == [True, False, True, False]
    assert table["ratio"].isna().tolist() == [False, True, False, True]


def test_some_of_the_modalities_can_be_asked_for(trio: Model):
    pair = measure(trio, trio_items(2), method=MCS(), modalities=("text", "image"))
    every = measure(trio, trio_items(2), method=MCS())
    for some, whole in zip(pair, every, strict=True):
        assert some.modalities == ("image", "text")
        assert some.ratio == pytest.approx(whole.image / (whole.image + whole.text), rel=1e-4)
    lacking = measure(trio, conflict_items(1), modalities=("image", "audio"))
    assert "it has no audio" in lacking.skipped[0].reason


def test_a_prompt_without_text_of_its_own_sets_image_against_sound(trio: Model):
    bare = [item.replace(context="") for item in trio_items(2)]
    found = measure(trio, bare, method=Shapley())
    assert [c.modalities for c in found] == [("image", "audio")] * 2
    with pytest.raises(UsageError, match="`ratio` .* was measured for image, audio"):
        _ = found[0].ratio
    [alone] = measure(trio, [bare[0].replace(image=None)], method=Shapley()).skipped
    assert "it has no context, so there is nothing to set its audio against" in alone.reason
    with pytest.raises(DataError, match="no context"):
        trace(trio, conflict_items(1)[0].replace(context=""), config=MCS(text="context"))


def test_a_trace_has_every_modality_at_every_token(trio: Model):
    found = trace(trio, trio_items(1)[0], max_new_tokens=3)
    assert found.modalities == TRIO
    columns = ["image", "text", "audio", "share_image", "share_text", "share_audio"]
    assert list(found.table().columns) == ["item_id", "step", "token", *columns, "synergy"]
    found = trace(trio, trio_items(1)[0], config=MCS(), max_new_tokens=3)
    assert list(found.table().columns) == ["item_id", "step", "token", *columns]
    [whole] = measure(trio, trio_items(1), method=MCS(steps=3))
    assert fmean(found.scores("audio")) == pytest.approx(whole.scores["audio"], rel=1e-4)


def test_methods_agree_about_a_modality_of_ones_choice(trio: Model):
    methods = {"mcs": MCS(), "attention": AttentionMass()}
    found = agreement(trio, trio_items(4), methods, reference="mcs", modality="audio")
    by_hand = [c.share("audio") for c in measure(trio, trio_items(4), method=MCS())]
    assert found.shares["mcs"] == pytest.approx(by_hand)
    with pytest.raises(UsageError, match="share of the video by every method"):
        agreement(trio, trio_items(4), methods, reference="mcs", modality="video")


@pytest.mark.parametrize("kind", ["blank", "shuffle", "noise"])
def test_spoilt_media_keep_their_size(kind):
    prompt = Prompt("What is it?", media={"audio": [sound(1)], "video": [clip(2)]})
    [heard] = spoilt(prompt, "audio", kind, "0").media["audio"]
    [seen] = spoilt(prompt, "video", kind, "0").media["video"]
    assert (len(heard.samples), heard.rate) == (len(sound(1).samples), sound(1).rate)
    assert heard.fingerprint != sound(1).fingerprint
    assert (len(seen), seen.size, seen.seconds) == (len(clip(2)), clip(2).size, clip(2).seconds)
    assert seen.fingerprint != clip(2).fingerprint
    assert spoilt(prompt, "audio", kind, "0").media["audio"][0].fingerprint == heard.fingerprint
    if kind == "shuffle":
        assert sorted(heard.samples) == sorted(sound(1).samples)
    assert torch.isfinite(torch.tensor(heard.samples)).all()
