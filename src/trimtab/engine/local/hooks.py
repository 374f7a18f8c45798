"""Apply edits by forward hooks that know which token each position is, and always come off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit, Predictor
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.attention import seen_keys, with_mask
from trimtab.engine.local.bundles import Bundle, make_bundle
from trimtab.engine.local.place import Place
from trimtab.engine.local.scores import make_score_bundle, score_changes
from trimtab.engine.receipt import Receipt
from trimtab.models import Model

Site = tuple[Literal["layer", "heads", "attention", "scores"], int]
"""A kind of place in the model and the layer it is in."""


class EditSession:
    """The edits of one batch of rows, each row with its own.

    The caller tells the tokens of every forward pass (``advance``) before it; the edits then know which token each
    position is, under padding, with a cached prefix, and while decoding.

    Attributes:
        place: Which token every position of the coming forward pass is.
    """

    def __init__(
        self,
        model: Model,
        edits: Sequence[Sequence[Edit]],
        prompts: Sequence[Encoded],
        receipts: defaultdict[int, Receipt],
    ) -> None:
        """Make edits ready.

        Args:
            model: The model.
            edits: Each row's edits.
            prompts: Each row's prompt.
            receipts: Where to count what is touched, by an edit's place in its row's list of edits.
        """
        lengths = torch.tensor([len(p) for p in prompts], device=prompts[0].ids.device)
        nothing = lengths.new_empty(len(lengths), 0)
        self.place = Place(nothing, lengths, nothing)
        self._model = model
        self._bundles = _bundle(model, edits, prompts, receipts)

    def advance(self, index: Tensor, cached: Tensor | None = None) -> None:
        """Tell the tokens of the coming forward pass.

        Args:
            index: Their indices, each in its own row, -1 at padding, ``(rows, length)``.
            cached: Indices of what a given cache already holds; left out, what came before in this session.
        """
        before = self.place.keys if cached is None else cached
        self.place = Place(index, self.place.lengths, torch.cat([before, index], dim=1))

    def move_to(self, index: Tensor, keys: Tensor, fresh: Tensor) -> None:
        """Tell all of the coming forward pass, whatever came before; see ``Place``."""
        self.place = Place(index, self.place.lengths, keys, fresh)

    @contextmanager
    def attached(self) -> Iterator[EditSession]:
        """Keep the hooks on inside the block, whatever happens there."""
        with edit_hooks(self._model, self._bundles, lambda: self):
            yield self

    def narrow(self, kept: Tensor) -> None:
        """Go on with some of the rows only; the others have their answers.

        Args:
            kept: Numbers of the rows that go on, ascending, ``(rows,)``.
        """
        self.place = Place(self.place.index[kept], self.place.lengths[kept], self.place.keys[kept])
        for bundles in self._bundles.values():
            for bundle in bundles:
                bundle.narrow(kept)

    def edit(self, site: Site, states: Tensor) -> Tensor:
        """Return what a site hands on, with the rows' edits made."""
        for bundle in self._bundles.get(site, ()):
            bundle.entry.passes += 1
            states = bundle.apply(states, self.place)
        return states


@contextmanager
def edit_hooks(model: Model, sites: Iterable[Site], session: Callable[[], EditSession | None]) -> Iterator[None]:
    """Hook the sites; each forward pass is edited by the session there is at that moment, if there is one."""
    with ExitStack() as stack:
        for kind, layer in sites:
            if kind == "layer":
                stack.enter_context(layer_hooks(model, [layer], _with_session(session)))
            elif kind == "scores":
                stack.enter_context(score_changes(model, layer, _with_session(session, "scores")))
            else:
                hook = _heads_hook(model, layer, session) if kind == "heads" else _mask_hook(model, layer, session)
                module = model.head_outputs[layer] if kind == "heads" else model.attentions[layer]
                handle = module.register_forward_pre_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
        yield


def edited_sites(model: Model, edits: Iterable[Edit]) -> list[Site]:
    """Return the sites that edits act at, each once."""
    return sorted({(edit.site, layer) for edit in edits for layer in edit.at_layers(model)})


def _with_session(
    session: Callable[[], EditSession | None], kind: Literal["layer", "scores"] = "layer"
) -> Callable[[int, Tensor], Tensor | None]:
    def change(layer: int, states: Tensor) -> Tensor | None:
        now = session()
        return None if now is None else now.edit((kind, layer), states)

    return change


def _heads_hook(model: Model, layer: int, session: Callable[[], EditSession | None]) -> Any:
    """Edit what goes into the output projection, which is the heads' outputs, head after head."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        now = session()
        if now is None:
            return None
        heads = args[0].unflatten(-1, (model.n_heads, model.head_dim))
        return (now.edit(("heads", layer), heads).flatten(-2), *args[1:]), kwargs

    return hook


def _mask_hook(model: Model, layer: int, session: Callable[[], EditSession | None]) -> Any:
    """Edit which keys are seen, on top of the layer's own mask."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> Any:
        now = session()
        if now is None:
            return None
        own = kwargs.get("attention_mask")
        seen = seen_keys(own, now.place)
        edited = now.edit(("attention", layer), seen)
        if edited is seen:
            return None
        return args, {**kwargs, "attention_mask": with_mask(model, own, edited)}

    return hook


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
    model: Model, edits: Sequence[Sequence[Edit]], prompts: Sequence[Encoded], receipts: dict[int, Receipt]
) -> dict[Site, list[Bundle]]:
    """Group the rows' edits so that one tensor operation serves many rows; a row's own order is kept."""
    groups: dict[tuple[Site, int, Any], tuple[list[int], list[Edit]]] = {}
    for row, row_edits in enumerate(edits):
        for order, edit in enumerate(row_edits):
            direction = getattr(edit, "direction", None)
            kind = (edit.name, id(direction) if isinstance(direction, Predictor) else 0)
            for layer in edit.at_layers(model):
                rows, members = groups.setdefault(((edit.site, layer), order, kind), ([], []))
                rows.append(row)
                members.append(edit)
    bundles: dict[Site, list[Bundle]] = {}
    for (site, order, (name, _)), (rows, members) in sorted(groups.items(), key=lambda group: group[0][:2]):
        entry = receipts[order].entry(name, site[1])
        make = make_score_bundle if site[0] == "scores" else make_bundle
        bundle = make(model, rows, members, [prompts[row] for row in rows], entry)
        bundles.setdefault(site, []).append(bundle)
    return bundles
