"""A steerer of a model that is none, and what it tells, for tests."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import torch

from trimtab.engine import Predictor
from trimtab.serving.places import ServedEdit
from trimtab.serving.receipts import receipt
from trimtab.serving.steered import Order, Part
from trimtab.serving.steerer import Steerer
from trimtab.serving.table import Room

HIDDEN, HEADS, WIDTH = 6, 3, 2
ROOM = Room(rows=16, slots=5, networks=2, units=6)
Ready = Callable[..., Steerer]


class Decoder:
    """The sizes of a model that is none."""

    name, n_layers, n_heads, head_dims, hidden_size = "none", 2, HEADS, (WIDTH, WIDTH), HIDDEN


def network(width: int, seed: int) -> Predictor:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((width, HIDDEN), (width,), (HIDDEN, width), (HIDDEN,))
    return Predictor(*(torch.randn(*shape, generator=generator) for shape in shapes))


def order(*edits: ServedEdit) -> Order:
    return Order((Part({"digest": "d"}, edits),))


def offer(name: str, *edits: ServedEdit) -> Any:
    return SimpleNamespace(name=name, unit=edits)


def steerer_of(*networks: Predictor, compiled: bool) -> Steerer:
    """A steerer that holds networks at layer 0."""
    depths = {(kind, layer): 2 for kind in ("layer", "heads") for layer in range(2)}
    steerer = Steerer(depths, Decoder(), ROOM, torch.device("cpu"), compiled=compiled)
    for one in networks:
        steerer.networks[0].hold(one)
    return steerer


def through(steerer: Steerer, site: str, layer: int, output: torch.Tensor) -> torch.Tensor:
    for table in steerer.tables[site, layer]:
        output = table.changed(output)
    return output


def added(steerer: Steerer, states: torch.Tensor, layer: int = 0) -> torch.Tensor:
    """What is added to a layer's output."""
    return through(steerer, "layer", layer, states) - states


def receipt_of(steerer: Steerer, request: str) -> dict[str, Any] | None:
    """A request's receipt; its card must not have been told before."""
    told = steerer.told([request])
    if not told:
        return None
    counts, card = told[request]
    assert card is not None
    assert steerer.told([request])[request] == (counts, None)
    return receipt(card, counts)


def failed(steerer: Steerer, requests: Iterable[str]) -> list[str]:
    return [name for name, (_counts, card) in steerer.told(requests).items() if card and "error" in card]


def edits(told: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The edits of a receipt of one artifact."""
    assert told is not None
    (part,) = told["artifacts"]
    return part["edits"]
