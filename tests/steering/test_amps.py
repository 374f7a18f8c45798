"""AMPS's ratio: how it is measured, how far it can be relied on, and scaling by it at test time."""

from dataclasses import replace

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.contribution import MCS, measure, measure_prompts
from trimtab.contribution.ranks import spearman
from trimtab.engine import AddVector, Prompt, Row
from trimtab.engine.local.whitebox import counted
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import AMPS, Artifact, TrainingSet, load_steering
from trimtab.steering.amps.factors import factors_of


def prompts() -> list[Prompt]:
    return [prompt_for(item) for item in held_out_items()]


def strengths(asks: list) -> list[float]:
    return [sum(edit.strength for edit in ask.edits) for ask in asks]


@pytest.mark.parametrize("ratio", ["kl_limit", "ce_limit", "shapley"])
def test_exact_ratios_can_be_relied_on_fully(model: Model, train: TrainingSet, ratio: str, tmp_path):
    artifact = quick("amps", ratio=ratio).fit(model, train)
    assert artifact.metrics["train"]["ratio"] == {"measured_by": ratio, "reliability": 1.0}
    card = (artifact.save(tmp_path / "amps") / "README.md").read_text()
    assert f"`{ratio}`" in card
    assert "is 1.00" in card


def test_a_sampled_ratio_is_as_reliable_as_two_seeds_agree(model: Model, train: TrainingSet):
    found = quick("amps", ratio="ce_sampled", seed=3).fit(model, train).metrics["train"]["ratio"]
    drawn = [[c.ratio for c in measure(model, train.items, method=MCS.paper(seed=seed))] for seed in (3, 2)]
    assert found == {"measured_by": "ce_sampled", "reliability": pytest.approx(spearman(*drawn))}


def test_the_default_ratio_is_the_exact_limit_of_kl(model: Model, train: TrainingSet):
    default, named = (quick("amps", **options).fit(model, train) for options in ({}, {"ratio": "kl_limit"}))
    assert torch.equal(default.direction.w_in, named.direction.w_in)  # pyright: ignore
    other = quick("amps", ratio="ce_limit").fit(model, train)
    assert not torch.equal(default.direction.b_out, other.direction.b_out)  # pyright: ignore


def test_prompts_are_measured_as_their_items_are(model: Model):
    items = held_out_items()
    alone = prompt_for(items[0], without=("text",))
    *found, nothing = measure_prompts(model, [*map(prompt_for, items), alone], MCS(text="context"))
    expected = measure(model, items, method=MCS(text="context"))
    assert [f.shares["image"] for f in found if f] == pytest.approx([c.ratio for c in expected])
    assert nothing is None
    with pytest.raises(UsageError, match="vocabulary"):
        measure_prompts(model, [alone], MCS(estimator="sampled", vocabulary="answers"))


@pytest.fixture
def online(model: Model, train: TrainingSet) -> Artifact:
    return quick("amps", online=True, reading="literal", layer=1).fit(model, train)


def test_online_scaling_multiplies_l2s_by_the_prompts_own_factor(model: Model, train: TrainingSet, online: Artifact):
    l2s = quick("l2s", layer=1).fit(model, train)
    assert torch.equal(online.direction.w_out, l2s.direction.w_out)  # pyright: ignore
    shares = train.shares(MCS())["image"]
    own = torch.tensor([c.ratio for c in measure(model, held_out_items(), method=MCS())])
    mean = float(shares.mean())
    asks = online.asks(model, prompts(), 0.5)
    assert strengths(asks) == pytest.approx((0.5 * factors_of(own, mean, mean, "literal", 1.0)).tolist(), rel=1e-5)
    assert online.metrics["train"]["ratio"]["reliability"] == 1.0
    assert online.metrics["train"]["scaling"]["mean"] == pytest.approx(2.0)


def test_online_scaling_keeps_the_contract(model: Model, online: Artifact, tmp_path):
    together = strengths(online.asks(model, prompts(), 1.0))
    alone = [strengths(online.asks(model, [p], 1.0))[0] for p in prompts()]
    assert together == pytest.approx(alone, rel=1e-4)
    again = load_steering(online.save(tmp_path / "online"), model)
    assert strengths(again.asks(model, prompts(), 1.0)) == together
    plain = first_scores(model, [Row(p) for p in prompts()])
    assert torch.equal(first_scores(model, online.asks(model, prompts(), 0.0)), plain)
    assert not first_scores(model, online.asks(model, prompts())).requires_grad


def test_the_measurement_is_counted_as_work(model: Model, online: Artifact):
    offline = replace(online, chooser=None)
    work = []
    for artifact in (offline, online):
        with counted(model) as found:
            artifact.asks(model, prompts(), 1.0)
        work.append(found.positions)
    assert work[0] == 0 < work[1]


def test_a_prompt_is_measured_once_for_all_strengths(model: Model, online: Artifact):
    asked = prompts()
    weak = strengths(online.asks(model, asked, 1.0))
    with counted(model) as work:
        strong = strengths(online.with_strength(2.0).asks(model, asked))
    assert work.positions == 0
    assert strong == pytest.approx([2 * own for own in weak])


def test_a_prompt_of_one_modality_counts_as_average(model: Model, online: Artifact):
    (row,) = online.asks(model, [prompt_for(held_out_items()[0], without=("image",))], 1.0)
    assert isinstance(row, Row)
    assert [edit.strength for edit in row.edits if isinstance(edit, AddVector)] == [2.0]


@pytest.mark.parametrize("options", [{"anchor": "task"}, {"shuffled": True}])
def test_online_refuses_what_a_prompt_cannot_have(options: dict):
    with pytest.raises(UsageError, match="online"):
        AMPS(online=True, **options)
