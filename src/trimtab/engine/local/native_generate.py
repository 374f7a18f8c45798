"""The model's own ``generate`` inside a block of applied edits: its prompt's end is known from its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from trimtab.engine.local.finite import require_finite
from trimtab.engine.local.follow import cached_slots, refuse_thread
from trimtab.engine.local.session import Session
from trimtab.engine.local.turn import prompt_mask
from trimtab.errors import UsageError
from trimtab.models import Model

T = TypeVar("T")

ORIGINAL = "trimtab_original"
"""Attribute of the telling ``generate``: the one it stands for."""

UNFOLLOWED = {
    "guidance_scale": "a second prompt is run beside the first",
    "penalty_alpha": "candidates are run beside the rows",
    "dola_layers": "answers are read off earlier layers",
    "assistant_early_exit": "the model drafts for itself",
    "use_mtp": "the model drafts for itself",
    "token_healing": "the prompt's end is generated anew",
}
"""Options of ``generate`` whose passes cannot be followed, and why."""

OFF = {"guidance_scale": 1}
"""Values that leave an option off, beside None, False and 0."""


@contextmanager
def told_prompts(model: Model) -> Iterator[None]:
    """Have the model's ``generate`` tell the open blocks where prompts end, inside this block."""
    if not hasattr(model.hf.generate, ORIGINAL):
        vars(model.hf)["generate"] = _telling(model, model.hf.generate)
    try:
        yield
    finally:
        if len(Session.of(model).ambient) <= 1:  # blocks may be closed in any order; the last one puts things back
            original = getattr(model.hf.generate, ORIGINAL)
            del vars(model.hf)["generate"]
            if model.hf.generate != original:  # it was one of the instance's own
                vars(model.hf)["generate"] = original


def _telling(model: Model, original: Callable[..., T]) -> Callable[..., T]:
    def generate(*args: Any, **kwargs: Any) -> T:
        session = Session.of(model)
        if not session.lock.mine:
            refuse_thread(model)
        if session.drives or not session.ambient:
            return original(*args, **kwargs)
        given = dict(zip(("inputs", "generation_config"), args, strict=False)) | kwargs
        setting = _settings(model, given)
        _refuse(model, given, setting)
        ids, mask = _prompt(given, setting)
        if mask is None:  # nothing was given: the model begins with a token of its own
            return original(*args, **kwargs)
        with ExitStack() as stack:
            for scope in session.ambient:
                stack.enter_context(scope.told(mask, ids, given.get("past_key_values")))
            kwargs["logits_processor"] = _with_check(model, kwargs.get("logits_processor"))
            return original(*args, **kwargs, **({} if "attention_mask" in kwargs else {"attention_mask": mask}))

    setattr(generate, ORIGINAL, original)
    return generate


def _with_check(model: Model, processors: Iterable[LogitsProcessor] | None) -> LogitsProcessorList:
    """Return the call's logits processors, after one that refuses NaN: choosing among NaN gives some token."""

    def check(_ids: Tensor, scores: Tensor) -> Tensor:
        # Processors before this one may have ruled tokens out by minus infinity.
        require_finite(model, scores.masked_fill(scores == -math.inf, 0), range(len(scores)))
        return scores

    return LogitsProcessorList([check, *(processors or ())])


def _settings(model: Model, given: dict[str, Any]) -> Callable[[str], Any]:
    """Return what finds an option: in the call, in its configuration, in the checkpoint's."""

    def find(name: str) -> Any:
        sources = (given.get("generation_config"), getattr(model.hf, "generation_config", None))
        found = given.get(name)
        for source in sources:
            found = getattr(source, name, None) if found is None else found
        return found

    return find


def _refuse(model: Model, given: dict[str, Any], setting: Callable[[str], Any]) -> None:
    """Refuse ways of decoding whose passes cannot be followed.

    Raises:
        UsageError: With the option and the reason.
    """
    for name, reason in UNFOLLOWED.items():
        value = setting(name)
        if value and value != OFF.get(name):
            raise UsageError(
                f"`{name}` of generate must be left out with edits applied, since {reason}; got {value!r}; decode "
                "greedily, by sampling, by beams, or with drafts of another model."
            )
    ids = _ids(given)
    if setting("prompt_lookup_num_tokens") and ids is not None and model.media_positions(ids).any():
        raise UsageError(
            "`prompt_lookup_num_tokens` of generate must be left out where the prompt shows media, since their tokens "
            "would be drafted without any; draft with assistant_model."
        )
    own = given.get("assistant_model") is model.hf
    paged = setting("cache_implementation") == "paged"
    if own or paged or given.get("custom_generate") is not None:
        name = "assistant_model" if own else "cache_implementation" if paged else "custom_generate"
        raise UsageError(
            f"`{name}` of generate must not be {'the edited model itself' if own else repr(setting(name))} with edits "
            "applied, since its passes cannot be told from the prompt's; leave it out."
        )


def _prompt(given: dict[str, Any], setting: Callable[[str], Any]) -> tuple[Tensor | None, Tensor | None]:
    """Return the token ids of the whole prompt, if they are known, and its mask; None if no prompt is given.

    Raises:
        UsageError: The mask is padded on the right, or does not cover what the cache holds.
    """
    ids = _ids(given)
    embeds, mask = given.get("inputs_embeds"), given.get("attention_mask")
    tokens = ids if embeds is None else embeds
    if tokens is None:
        return None, None
    if mask is None and embeds is None:
        mask = _padding(tokens, setting("pad_token_id"), setting("eos_token_id"))
    rows, new = tokens.shape[:2]
    cached = cached_slots(given.get("past_key_values"))
    slots = new if mask is None or not cached else mask.shape[-1]
    if cached >= slots or slots not in (new, cached + new):
        raise UsageError(
            f"`attention_mask` of generate must cover the {cached} tokens of `past_key_values` and the new ones, which "
            f"come after them; it covers {slots} tokens, of which {new} are given; give the whole conversation."
        )
    whole = prompt_mask(mask, rows, slots, tokens.device)
    return (ids if embeds is None and new == slots else None), whole


def _ids(given: dict[str, Any]) -> Tensor | None:
    return given.get("input_ids") if given.get("inputs") is None else given["inputs"]


def _padding(ids: Tensor, pad: int | None, eos: int | Sequence[int] | None) -> Tensor:
    """Infer a mask from padding tokens by transformers' rule: where they are not also end tokens."""
    ends = eos if isinstance(eos, (list, tuple)) else [eos]
    if pad is None or pad in ends:
        return torch.ones_like(ids)
    return (ids != pad).long()
