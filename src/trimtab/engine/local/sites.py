"""Where edits act: for each site of a layer, how what it hands on is passed through the edits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from trimtab.engine.edits import Site
from trimtab.engine.local.attention import Masks, seen_keys, with_mask
from trimtab.engine.local.place import Place
from trimtab.engine.local.scores import score_changes
from trimtab.models import Model

LayerSite = tuple[Site, int]
"""A site and the layer it is in."""


class Editing(Protocol):
    """What edits at a site: the rows of a forward pass, with which token each position is."""

    place: Place

    def edit(
        self,
        site: LayerSite,
        states: Tensor,
        *,
        mask: Tensor | None = None,
        entered: Tensor | None = None,
        queries: slice | None = None,
    ) -> Tensor:
        """Return what a site hands on, with the rows' edits made; see ``Place`` of what else a site has.

        ``queries`` are the positions it is handed on for; None for all.
        """
        ...


Now = Callable[[], Editing | None]
"""Returns what edits the forward pass under way, if anything does."""


def _layer(model: Model, layer: int, now: Now) -> AbstractContextManager[None]:
    """Edit a layer's output."""
    return layer_hooks(model, [layer], _changing("layer", now))


def _scores(model: Model, layer: int, now: Now) -> AbstractContextManager[None]:
    """Edit a layer's attention scores before the softmax."""

    def change(layer: int, scores: Tensor, mask: Tensor | None, queries: slice) -> Tensor | None:
        editing = now()
        return None if editing is None else editing.edit(("scores", layer), scores, mask=mask, queries=queries)

    return score_changes(model, layer, change)


def _changing(site: Site, now: Now) -> Callable[[int, Tensor], Tensor | None]:
    def change(layer: int, states: Tensor) -> Tensor | None:
        editing = now()
        return None if editing is None else editing.edit((site, layer), states)

    return change


def _heads(model: Model, layer: int, now: Now) -> AbstractContextManager[None]:
    """Edit what goes into the output projection, which is the heads' outputs, head after head."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> object:
        editing = now()
        if editing is None:
            return None
        heads = args[0].unflatten(-1, (model.n_heads, -1))
        return (editing.edit(("heads", layer), heads).flatten(-2), *args[1:]), kwargs

    return _before(model.head_outputs[layer], hook)


def _attention(model: Model, layer: int, now: Now) -> AbstractContextManager[None]:
    """Edit which keys are seen, on top of the layer's own mask."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> object:
        editing = now()
        if editing is None:
            return None
        own = kwargs.get("attention_mask")
        own = own.whole if isinstance(own, Masks) else own
        seen = seen_keys(own, editing.place)
        edited = editing.edit(("attention", layer), seen)
        if edited is seen:
            return None
        return args, {**kwargs, "attention_mask": with_mask(model, own, edited)}

    return _before(model.attentions[layer], hook)


@contextmanager
def _skip(model: Model, layer: int, now: Now) -> Iterator[None]:
    """Edit a layer's output, knowing what came into the layer."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Tensor | tuple[Tensor, ...]) -> object:
        editing = now()
        if editing is None:
            return None
        entered = args[0] if args else kwargs["hidden_states"]
        if isinstance(output, tuple):
            return (editing.edit(("skip", layer), output[0], entered=entered), *output[1:])
        return editing.edit(("skip", layer), output, entered=entered)

    handle = model.layers[layer].register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _before(module: nn.Module, hook: Callable[..., object]) -> Iterator[None]:
    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def layer_hooks(model: Model, layers: Iterable[int], change: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Pass the outputs of some layers through ``change(layer, hidden)``; None leaves them as they are.

    Layers return a tensor or a tuple, depending on the family and the version of transformers; ``change`` sees
    the tensor.
    """

    def hook_for(layer: int) -> Callable[..., object]:
        def hook(_module: nn.Module, _args: tuple, output: Tensor | tuple[Tensor, ...]) -> object:
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


SITES: Mapping[Site, Callable[[Model, int, Now], AbstractContextManager[None]]] = {
    "layer": _layer,
    "heads": _heads,
    "attention": _attention,
    "scores": _scores,
    "skip": _skip,
}
"""What keeps a site of a layer edited inside a block."""
