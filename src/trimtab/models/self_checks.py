"""Prove on one tiny prompt that a loaded model is what its family file says.

Libraries that hook models break silently when transformers moves a module. So each claim trimtab relies on is
tried once at load: a claim that does not hold refuses the model with the claim and the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.media import medium_kind
from trimtab.models.family_media import MediaInput
from trimtab.models.model import Model
from trimtab.models.offload import tensors
from trimtab.models.proofs import Given, check_cuts, check_media, refuse, same_logits
from trimtab.models.windows import check_windows

Output = Tensor | tuple[Tensor, ...]
"""What a layer returns: its states, or these and more."""


@torch.no_grad()
def self_check(model: Model) -> None:
    """Try every claim of the model's family file; a few forward passes over some dozen tokens.

    Raises:
        UnsupportedModelError: A claim does not hold, or a weight or a logit is not a finite number.
        UsageError: The model's device has no room for a tiny prompt.
    """
    check_finite(model)
    try:
        _check_claims(model)
    except (UnsupportedModelError, UsageError):
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UsageError(
            f"`device` of load must have room for {model.name} and a prompt; {model.device} ran out of memory; give "
            "another device, device_map='auto', or dtype='bfloat16'."
        ) from error
    except Exception as error:  # whatever the parts do together that none of them expects
        said = (str(error).strip().splitlines() or [""])[0]
        refuse(model, "a picture of 84 x 56 pixels and two sentences must run", f"{type(error).__name__}: {said}")


def check_finite(model: Model) -> None:
    """Read every weight once.

    Raises:
        UnsupportedModelError: One is not a finite number.
    """
    for name, tensor in tensors(model.hf):
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        lowest, highest = torch.aminmax(tensor if tensor.itemsize > 1 else tensor.float())
        if not bool(torch.isfinite(lowest) & torch.isfinite(highest)):
            what = "is not a number (NaN) or is infinite"
            half = tensor.dtype == torch.float16
            remedy = "load it with dtype='bfloat16' or 'float32'" if half else "fetch the checkpoint again"
            raise UnsupportedModelError(
                f"`{model.name}` must have finite weights; in {str(tensor.dtype).removeprefix('torch.')} a value of "
                f"{name} {what}; {remedy}."
            )


@torch.no_grad()
def tiny_logits(model: Model) -> Tensor:
    """The model's own logits for a tiny prompt with a picture, ``(length, vocabulary)``, float32."""
    return _own_logits(model, *_tiny_prompt(model))


def _own_logits(model: Model, ids: Tensor, media: list[MediaInput]) -> Tensor:
    inputs = model.family.native_inputs(model.hf, ids, media)
    return model.hf(**inputs, use_cache=False).logits[0].float()


def _check_claims(model: Model) -> None:
    ids, media = _tiny_prompt(model)
    logits = tiny_logits(model)
    if not torch.isfinite(logits).all():
        dtype = str(model.dtype).removeprefix("torch.")
        remedy = {
            "float16": "load it with dtype='bfloat16' or 'float32'",
            "bfloat16": "load it with dtype='float32'",
        }.get(dtype, "check its configuration")
        raise UnsupportedModelError(
            f"`{model.name}` must answer a tiny prompt with finite logits; in {dtype} "
            f"{int((~torch.isfinite(logits)).sum())} of {logits.numel()} are not; {remedy}."
        )
    check_media(model, media)
    given = Given.of(model, ids, media)
    states, heads = _record(model, given.decode)
    direct = states.pop("output")
    same_logits(model, "media, masks and rotary positions are those of its own forward", direct[0], logits)
    _check_layers(model, states, heads, len(ids))
    last = states[model.n_layers - 1][0]
    scaled = model.normed(last).to(last.dtype)
    same_logits(model, f"the final norm is of kind {model.family.norm!r}", model.logits(scaled), logits)

    added = _with_added(model, 0.0, given.decode)
    same_logits(model, "adding zero after a layer changes nothing", added[0], logits)
    moved = _with_added(model, 1.0, given.decode)
    if torch.equal(moved, direct):
        refuse(model, "adding to a layer's output must change the model's output", "no change")
    check_windows(model)
    check_cuts(model, given, logits)
    if model.family.company:
        ids, media = _tiny_prompt(model, each=2)
        check_media(model, media)
        own = _own_logits(model, ids, media)
        same_logits(
            model, "two media in a prompt are those of its own forward", Given.of(model, ids, media).decode()[0], own
        )


def _tiny_prompt(model: Model, each: int = 1) -> tuple[Tensor, list[MediaInput]]:
    """Two sentences around one medium of each kind, or around more."""
    media = [
        model.show(kind, medium_kind(kind).example(), among=each > 1)
        for kind in model.placeholders
        for _ in range(each)
    ]
    before = model.tokenizer("Look at this:", add_special_tokens=True)["input_ids"]
    after = model.tokenizer("What is it?", add_special_tokens=False)["input_ids"]
    shown = model.tokenizer("".join(model.expand(m) for m in media), add_special_tokens=False)["input_ids"]
    return torch.tensor([*before, *shown, *after], device=model.device), media


def _record(model: Model, forward: Callable[[], Tensor]) -> tuple[dict[Hashable, Tensor], dict[int, Tensor]]:
    """Run ``forward`` and keep each layer's output, read twice, and each layer's head outputs."""
    states: dict[Hashable, Tensor] = {}
    heads: dict[int, Tensor] = {}

    def keep(key: Hashable) -> Callable[[nn.Module, object, Output], None]:
        return lambda _module, _args, output: states.__setitem__(key, _tensor(output))

    def keep_heads(layer: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _module, args: heads.__setitem__(layer, args[0])

    hooks = []
    for i, layer in enumerate(model.layers):
        hooks.append(layer.register_forward_hook(keep(i)))
        hooks.append(layer.register_forward_hook(keep((i, "again"))))
    hooks += [projection.register_forward_pre_hook(keep_heads(i)) for i, projection in model.head_outputs.items()]
    try:
        states["output"] = forward()
    finally:
        for hook in hooks:
            hook.remove()
    return states, heads


def _check_layers(model: Model, states: dict[Hashable, Tensor], heads: dict[int, Tensor], length: int) -> None:
    expected = model.text_config.num_hidden_layers
    read = [i for i in range(model.n_layers) if i in states]
    if len(read) != expected:
        refuse(model, f"{expected} decoder layers must run in one forward pass", f"{len(read)}")
    for i in read:
        if states[i].shape != (1, length, model.hidden_size):
            refuse(
                model,
                f"layer {i} must output {(1, length, model.hidden_size)}",
                f"{tuple(states[i].shape)}",
            )
        if not torch.equal(states[i], states[i, "again"]):
            refuse(model, f"reading layer {i} twice must agree", "two different states")
        if model.attends[i] and heads[i].shape[-1] != model.n_heads * model.head_dims[i]:
            refuse(
                model,
                f"layer {i} must hand on {model.n_heads} heads of width {model.head_dims[i]}",
                f"a width of {heads[i].shape[-1]}",
            )


def _with_added(model: Model, amount: float, forward: Callable[[], Tensor]) -> Tensor:
    middle = model.layers[model.n_layers // 2]
    hook = middle.register_forward_hook(
        lambda _m, _a, out: (_tensor(out) + amount, *out[1:]) if isinstance(out, tuple) else _tensor(out) + amount
    )
    try:
        return forward()
    finally:
        hook.remove()


def _tensor(output: Output) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
