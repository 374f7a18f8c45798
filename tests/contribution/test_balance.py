"""The balance point: found where it was planted, and asked of a model as the paper says."""

import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution.balance import balance_point, find_balance
from trimtab.divergences import entropy
from trimtab.engine import run
from trimtab.errors import UsageError
from trimtab.items import Judgement
from trimtab.items.prompts import prompt_for
from trimtab.models import Model


def planted(point: float, n: int = 400, slope: float = -3.0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    relative = 4 * torch.rand(n, generator=g) - 2
    return relative, torch.rand(n, generator=g) < (slope * (relative - point)).sigmoid()


@pytest.mark.parametrize("point", [-0.8, 0.0, 0.6])
def test_a_planted_point_is_found(point: float):
    found = balance_point(*planted(point))
    assert found.point == pytest.approx(point, abs=0.15)
    assert found.low is not None
    assert found.high is not None
    assert found.low < point < found.high
    assert found.slope == pytest.approx(-3.0, abs=0.8)
    assert (found.falling, found.n) == (1.0, 400)


def test_there_is_no_point_where_the_chance_does_not_fall():
    found = balance_point(*planted(0.0, slope=2.0))
    assert (found.point, found.low, found.high) == (None, None, None)
    assert found.slope > 0
    assert found.falling < 0.01


def test_items_that_a_threshold_tells_apart_have_a_finite_point():
    found = balance_point(torch.tensor([-1.0, -0.5, 0.5, 1.0]), torch.tensor([True, True, False, False]))
    assert found.point == pytest.approx(0.0, abs=0.05)


def test_items_of_one_kind_are_refused():
    with pytest.raises(UsageError, match="follow the text"):
        balance_point(torch.tensor([0.1, 0.2]), torch.tensor([True, True]))


def test_uncertainty_is_that_of_each_modality_alone(model: Model, monkeypatch: pytest.MonkeyPatch):
    items = conflict_items(4)
    prompts = [prompt_for(item) for item in items]
    answers = iter(["image", "text", "image", "other"] + ["text"] * 4 + ["image"] * 3 + ["other"])

    def told(*_args: object) -> Judgement:
        return Judgement(next(answers), False, "")  # pyright: ignore

    monkeypatch.setattr("trimtab.contribution.balance.judge", told)
    found = find_balance(model, items)
    text, image = (
        entropy(run(model, [p.without(m) for p in prompts[:3]]).logits.log_softmax(-1)) for m in ("image", "text")
    )
    assert found.relative.tolist() == pytest.approx((2 * (text - image) / (text + image)).tolist(), abs=1e-4)
    assert found.follows_text.tolist() == [False, True, False]


def test_a_model_that_answers_nothing_right_is_refused(model: Model):
    with pytest.raises(UsageError, match="by each modality alone"):
        find_balance(model, conflict_items(3))
