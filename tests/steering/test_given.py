"""Vectors that were made elsewhere: what can be made can be saved and loaded again."""

# pyright: reportArgumentType=false

from pathlib import Path

import pytest
import torch

from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.steering import VectorsChooser, given_vectors, load_steering
from trimtab.steering.dmas import ClusterChooser
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llava", layers=3, check=False)


def test_layers_counted_from_the_end_are_those_layers(model: Model, tmp_path: Path):
    one = torch.ones(model.hidden_size)
    artifact = given_vectors(model, {-1: one, 0: 2 * one}, "image")
    again = load_steering(artifact.save(tmp_path / "a"), model)
    for own in (artifact, again):
        assert isinstance(own.chooser, VectorsChooser)
        assert list(own.chooser.layers) == [0, 2]
        assert torch.equal(own.chooser.vectors, torch.stack([2 * one, one]))


@pytest.mark.parametrize(
    ("layers", "target", "says"),
    [
        ({1}, "imge", "`target` of given_vectors must be one of image"),
        ({7}, "image", "`layer` of AddVector"),
        (set(), "image", "`vectors` of given_vectors must have a vector by layer"),
    ],
)
def test_what_could_not_be_loaded_is_not_made(layers: set[int], target: str, says: str, model: Model):
    with pytest.raises(UsageError, match=says):
        given_vectors(model, dict.fromkeys(layers, torch.ones(model.hidden_size)), target)


def test_parts_that_do_not_belong_together_are_refused():
    with pytest.raises(UsageError, match="'layers' must be as many as vectors; got 1 and 2"):
        VectorsChooser([0], "all", torch.ones(2, 4))
    for heads, shifts in (([], torch.ones(2, 0, 4)), ([0], torch.ones(2, 2, 4)), ([0], torch.ones(4))):
        with pytest.raises(UsageError, match="must be of the same heads"):
            ClusterChooser(0, [0] * len(heads), heads, torch.ones(4), torch.ones(2, 4), shifts)
