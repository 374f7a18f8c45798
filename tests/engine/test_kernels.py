"""A new edit is its data and a kernel; nothing else knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from tests.engine.prompts import varied_prompts
from trimtab.engine import AddVector, Capability, Edit, Encoded, Read, Row, Sizes, check_layer, generate, run
from trimtab.engine.edits import Site
from trimtab.engine.local.kernels import KERNELS, Kernel
from trimtab.engine.local.place import Place
from trimtab.errors import UsageError
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Scale(Edit):
    """Multiply a layer's output at the last prompt token."""

    site: ClassVar[Site] = "layer"
    needs: ClassVar[Capability] = Capability.ADD_VECTOR

    layer: int
    factor: float

    def check(self, model: Sizes) -> None:
        check_layer(model, self.layer, "Scale")

    @property
    def name(self) -> str:
        return "Scale"

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        return (self.layer % model.n_layers,)

    def reach(self, prompt: Encoded) -> int:
        return len(prompt) - 1


class ScaleKernel(Kernel[Scale]):
    edit = "Scale"

    def __init__(self, model, rows, edits, prompts, entry) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        self.factors = torch.tensor([edit.factor for edit in edits])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        touched = place.is_last_prompt[self.rows]
        if not touched.any():
            return states
        change = states[self.rows] * (self.factors[:, None, None] - 1) * touched[..., None]
        states = states.clone()
        states[self.rows] += change
        self.record(touched, place, touched.float())
        return states

    def keep(self, held: Tensor) -> None:
        self.factors = self.factors[held]


@pytest.fixture
def registered():
    KERNELS.register(ScaleKernel)
    yield
    KERNELS._entries.pop("Scale")


@pytest.mark.usefixtures("registered")
def test_a_new_edit_acts_in_both_paths_and_beside_others(model: Model):
    prompts = varied_prompts()
    beside = AddVector(1, torch.ones(model.hidden_size), 0.5)
    rows = [Row(prompts[0]), *[Row(p, (Scale(1, 3.0), beside)) for p in prompts], Row(prompts[1], (Scale(1, 1.0),))]
    read = Read(hidden=(1,))
    fast, plain = (run(model, rows, read, reuse=reuse) for reuse in (True, False))
    assert torch.allclose(fast.hidden[1], plain.hidden[1], atol=1e-4)
    expected = 3 * run(model, prompts[0], read).hidden[1] + 0.5
    assert torch.allclose(fast.hidden[1][1], expected[0], atol=1e-4)
    assert torch.allclose(fast.logits[-1], run(model, prompts[1], read).logits[0], atol=1e-4)
    assert generate(model, rows, max_new_tokens=3).tokens == generate(model, rows, max_new_tokens=3, reuse=False).tokens
    assert {entry.edit for entry in fast.receipt.entries.values()} == {"Scale", "AddVector(from_last_prompt)"}


def test_an_edit_without_a_kernel_is_refused_before_any_work(model: Model):
    with pytest.raises(UsageError, match="`edits` of Row must be one of AddVector, .*got 'Scale'"):
        run(model, Row(varied_prompts()[0], (Scale(1, 3.0),)))


def test_every_edit_has_its_kernel():
    def kinds(parent: type) -> set[str]:
        return {parent.__name__} | {name for child in parent.__subclasses__() for name in kinds(child)}

    abstract = {"Edit", "PlacedEdit", "HeadEdit", "ScoreEdit", "LinearScoreEdit"}
    assert kinds(Edit) - abstract - {"Scale"} == set(KERNELS)
