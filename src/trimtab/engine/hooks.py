"""Apply edits by forward hooks that know which token each position is, and always come off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit, Predictor, first_position
from trimtab.engine.receipt import Entry, Receipt
from trimtab.models import Model


@dataclass
class Place:
    """Which token every position of the current forward pass is.

    Attributes:
        index: Token index in its own row, -1 at padding, ``(rows, length)``. Generated tokens go on counting.
        lengths: Prompt length of each row, ``(rows,)``.
    """

    index: Tensor
    lengths: Tensor

    @property
    def is_last_prompt(self) -> Tensor:
        """True at each row's last prompt token, ``(rows, length)``."""
        return self.index == self.lengths[:, None] - 1


class Bundle:
    """Edits of one kind at one layer over several rows, applied as one operation."""

    def __init__(self, rows: list[int], edits: list[Edit], lengths: Tensor, entry: Entry) -> None:
        device = lengths.device
        self.rows = torch.tensor(rows, device=device)
        self.strengths = torch.tensor([e.strength for e in edits], device=device)
        first = [first_position(e.positions, int(lengths[r])) for r, e in zip(rows, edits, strict=True)]
        self.first = torch.tensor(first, device=device)
        self.entry = entry
        entry.rows += len(rows)
        direction = edits[0].direction
        self.predictor = direction.to(device) if isinstance(direction, Predictor) else None
        self.measured = False
        self.vectors: Tensor | None = None
        if self.predictor is None:
            self.vectors = torch.stack([e.direction.to(device, torch.float32) for e in edits])  # pyright: ignore

    def apply(self, hidden: Tensor, place: Place) -> Tensor:
        """Return ``hidden`` with the rows' vectors added where the edits say."""
        index = place.index[self.rows]
        touched = (index >= 0) & (index >= self.first[:, None])
        states = hidden[self.rows]
        if self.predictor is not None:
            self._predict(states, place.is_last_prompt[self.rows])
        if not touched.any() or self.vectors is None:
            return hidden
        change = (self.strengths[:, None] * self.vectors)[:, None] * touched[..., None]
        hidden = hidden.clone()
        hidden[self.rows] = states + change.to(hidden.dtype)
        self._record(states, change, touched, place)
        return hidden

    def _predict(self, states: Tensor, is_last: Tensor) -> None:
        """Predict once, when a row's last prompt token passes by, and keep the vector while decoding."""
        assert self.predictor is not None
        if is_last.any():
            self.vectors = self.predictor(states[is_last])

    def _record(self, states: Tensor, change: Tensor, touched: Tensor, place: Place) -> None:
        generated = touched & (place.index >= place.lengths[:, None])[self.rows]
        self.entry.generated_positions += int(generated.sum())
        self.entry.prompt_positions += int((touched & ~generated).sum())
        if not self.measured:  # the first pass that touches anything tells the size; decoding need not repeat it
            self.measured = True
            sizes = change.norm(dim=-1)[touched] / states.float().norm(dim=-1)[touched].clamp_min(1e-12)
            self.entry.measure(sizes.tolist())


class EditSession:
    """The edits of one batch of rows, each row with its own.

    The caller sets ``place`` before every forward pass; the edits then know which token each position is,
    under padding, with a cached prefix, and while decoding.

    Attributes:
        place: Which token every position of the coming forward pass is.
        receipts: What was touched so far, by an edit's place in its row's list of edits.
    """

    def __init__(
        self, model: Model, edits: Sequence[Sequence[Edit]], lengths: Tensor, receipt: Receipt | None = None
    ) -> None:
        self.place = Place(lengths.new_empty(len(lengths), 0), lengths)
        self.receipts: defaultdict[int, Receipt] = defaultdict(lambda: Receipt() if receipt is None else receipt)
        self._model = model
        self._bundles = _bundle(model, edits, lengths, self.receipts)

    @contextmanager
    def attached(self) -> Iterator[EditSession]:
        """Keep the hooks on inside the block, whatever happens there."""
        with layer_hooks(self._model, self._bundles, self.edit):
            yield self

    def edit(self, layer: int, hidden: Tensor) -> Tensor:
        """Return a layer's output with the rows' edits made."""
        for bundle in self._bundles.get(layer, ()):
            hidden = bundle.apply(hidden, self.place)
        return hidden


@contextmanager
def layer_hooks(model: Model, layers: Iterable[int], change: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Pass the outputs of some layers through ``change(layer, hidden)``; None leaves them as they are.

    Layers return a tensor or a tuple, depending on the family and the version of transformers; ``change`` sees
    the tensor.
    """

    def hook_for(layer: int) -> Any:
        def hook(_module: nn.Module, _args: tuple, output: Any) -> Any:
            hidden = change(layer, output[0] if isinstance(output, tuple) else output)
            if hidden is None:
                return None
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return hook

    handles = [model.layers[layer].register_forward_hook(hook_for(layer)) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _bundle(
    model: Model, edits: Sequence[Sequence[Edit]], lengths: Tensor, receipts: dict[int, Receipt]
) -> dict[int, list[Bundle]]:
    """Group the rows' edits so that one tensor operation serves many rows; a row's own order is kept."""
    groups: dict[tuple, tuple[list[int], list[Edit]]] = {}
    for row, row_edits in enumerate(edits):
        for order, edit in enumerate(row_edits):
            shared = id(edit.direction) if isinstance(edit.direction, Predictor) else None
            key = (edit.layer % model.n_layers, order, edit.positions, shared)
            rows, members = groups.setdefault(key, ([], []))
            rows.append(row)
            members.append(edit)
    bundles: dict[int, list[Bundle]] = {}
    for (layer, order, _positions, _shared), (rows, members) in sorted(groups.items(), key=lambda g: g[0][:2]):
        entry = receipts[order].entry(*members[0].label(model))
        bundles.setdefault(layer, []).append(Bundle(rows, members, lengths, entry))
    return bundles
