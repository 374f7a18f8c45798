"""Counterfactual pictures: patches weighted by a changed map of the vision tower's attention.

This is the vision half of CausalMM (arXiv 2410.04780), up to the answer: the attention that the patches get is changed,
averaged over heads, and multiplied onto the features that the projector takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError
from trimtab.models.family import Family
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel

Counterfactual = Literal["shuffle", "uniform", "reversed", "random"]
COUNTERFACTUALS: tuple[Counterfactual, ...] = ("shuffle", "uniform", "reversed", "random")
"""How a map of attention may be changed; CausalMM's default comes first."""


def patch_weights(attention: Tensor, counterfactual: Counterfactual, seed: int) -> Tensor:
    """Change a map of attention and make it weights of the patches.

    ``shuffle`` permutes each head's map on its own, ``uniform`` is its mean everywhere, ``reversed`` takes each head's
    largest value minus the map, and ``random`` draws it from U(0, 2); then heads are averaged. Attention over n patches
    is about 1/n each, so all but the random map leave next to nothing of the picture, as in the released code.

    Args:
        attention: Attention that each patch gets from each head, ``(heads, patches)``, float32 on the CPU.
        counterfactual: How it is changed.
        seed: Seed of what is random.

    Returns:
        Weights, ``(patches,)``.
    """
    generator = torch.Generator().manual_seed(seed)
    if counterfactual == "shuffle":
        order = torch.rand(attention.shape, generator=generator).argsort(-1)
        changed = attention.gather(-1, order)
    elif counterfactual == "uniform":
        changed = attention.mean(-1, keepdim=True).expand_as(attention)
    elif counterfactual == "reversed":
        changed = attention.amax(-1, keepdim=True) - attention
    else:
        changed = 2 * torch.rand(attention.shape, generator=generator)
    return changed.mean(0)


@contextmanager
def weighted_patches(family: Family, hf: HuggingFaceModel, media: Sequence[MediaInput]) -> Iterator[None]:
    """Multiply what enters the projector by the pictures' weights inside the block.

    Args:
        family: The model's family.
        hf: The model.
        media: What the block encodes, in order: pictures that all have weights, or that all have none; and others.

    Raises:
        UnsupportedModelError: The block ended without an error, yet the projector was never called.
    """
    factors = [p.weights for p in media if p.weights is not None]
    if not factors:
        yield
        return
    projector, weights, calls = family.projector(hf), torch.cat(factors), 0

    def multiply(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        nonlocal calls
        calls += 1
        if calls > 1:  # clips of the same prompt, which a model's own forward encodes behind its pictures
            return None
        features = args[0].reshape(len(weights), -1)  # a row a patch, whether or not some are merged side by side
        return ((features * weights[:, None].to(features)).reshape(args[0].shape), *args[1:])

    handle = projector.register_forward_pre_hook(multiply)
    try:
        yield
    finally:
        handle.remove()
    if not calls:
        raise UnsupportedModelError(
            f"`projector` of a family must be called for every picture; a {type(projector).__name__} was not; correct "
            "the family's file."
        )


def inputs_of(module: nn.Module, run: Callable[[], object]) -> tuple[Tensor, dict[str, Any]]:
    """Call ``run``, and return the hidden states and the keyword arguments that a module in it was last called with."""
    found: dict[str, Any] = {}

    def keep(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.update(kwargs)
        if args:
            found["hidden_states"] = args[0]

    handle = module.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        run()
    finally:
        handle.remove()
    return found.pop("hidden_states"), found
