"""Follow forward passes that somebody else makes, and edit them where the edits say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.hooks import EditSession, edit_hooks, edited_sites
from trimtab.engine.local.session import Session
from trimtab.engine.local.turn import Turn, prompt_mask
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.models import Model

if TYPE_CHECKING:
    from transformers import Cache

TURNS = "_trimtab_turns"
"""Attribute of a cache: which prompts it holds, by the block that followed them. Copies of the cache have it too."""

PACKED = ("cu_seq_lens_q", "block_table", "block_tables")
"""Arguments of a forward pass whose rows hold several sequences one after the other."""


class Follower:
    """Works out which token each position is when somebody else calls the model.

    Attributes:
        calls: The prompts of the model's ``generate`` calls under way, innermost last.
    """

    _numbers = itertools.count()

    def __init__(self, model: Model, edits: tuple[Edit, ...], receipt: Receipt, prompt: Encoded | None = None) -> None:
        """Make edits ready.

        Args:
            model: The model.
            edits: What to do to each row.
            receipt: Where to count it.
            prompt: What the passes are about, which tells where its spans are; the plain reference gives it, and then
                the edits are made even while the engine drives.
        """
        self.model, self.edits, self.receipt = model, edits, receipt
        self._of_model = Session.of(model)
        self.calls: list[Turn] = []
        self._fixed: Turn | None = None
        if prompt is not None:
            mask = torch.ones(1, len(prompt), dtype=torch.long, device=prompt.ids.device)
            self._fixed = Turn(model, edits, receipt, mask, prompts=[prompt])
        self._number = next(self._numbers)
        self._ids: Tensor | None = None
        self._turn: Turn | None = None
        self._session: EditSession | None = None

    @property
    def silent(self) -> bool:
        """Whether the engine makes these edits itself."""
        return self._of_model.drives and self._fixed is None

    @property
    def current(self) -> EditSession | None:
        """The session that edits right now; None while the engine makes these edits, and in other threads."""
        return self._session if self._of_model.lock.mine and not self.silent else None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Follow and edit inside the block."""
        outer = getattr(self.model.hf, "base_model", self.model.hf)
        decoder = self.model.decoder
        handles = [
            outer.register_forward_pre_hook(self._note, with_kwargs=True),
            decoder.register_forward_pre_hook(self._before, with_kwargs=True),
            decoder.register_forward_hook(self._after, always_call=True),
        ]
        try:
            with edit_hooks(self.model, edited_sites(self.model, self.edits), lambda: self.current):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def begin(self, mask: Tensor, ids: Tensor | None, cache: Cache | None) -> Turn:
        """Return the turn of a prompt whose end is known.

        Raises:
            UsageError: The cache holds tokens that the edits would touch, computed without them.
        """
        turn = Turn(self.model, self.edits, self.receipt, mask, ids=ids)
        cached = cached_slots(cache)
        if cached and self._held_by(cache) is None and turn.reach() < cached:
            raise UsageError(
                "`past_key_values` must hold only tokens that the applied edits leave alone, or be made in the same "
                f"block; it holds {cached} tokens made outside of it, and the edits touch token {turn.reach()}; "
                "compute it inside the block."
            )
        return turn

    @contextmanager
    def told(self, mask: Tensor, ids: Tensor | None, cache: Cache | None) -> Iterator[None]:
        """Take a prompt that the model's ``generate`` answers inside the block."""
        self.calls.append(self.begin(mask, ids, cache))
        try:
            yield
        finally:
            self.calls.pop()

    def _note(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Note the token ids, which the decoder is not told."""
        if self._of_model.lock.mine:
            self._ids = kwargs.get("input_ids", args[0] if args else None)

    def _before(self, _module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        """Note the positions of the decoder's pass about to start."""
        if self.silent and self._of_model.lock.mine:
            return
        _check_pass(self.model, kwargs)
        ids = kwargs.get("input_ids", args[0] if args else None)
        tokens = kwargs["inputs_embeds"] if ids is None else ids
        rows, length = tokens.shape[:2]
        cache = kwargs.get("past_key_values")
        cached = cached_slots(cache)
        self._turn = self._which(rows, length, cached, cache, kwargs.get("attention_mask"), tokens.device)
        self._session = self._turn.advance(rows, cached, length, _capacity(cache))

    def _which(
        self, rows: int, length: int, cached: int, cache: Cache | None, mask: object, device: torch.device
    ) -> Turn:
        """Say which prompt a pass belongs to."""
        if self._fixed is not None:
            return self._fixed
        if self.calls:
            return self.calls[-1]
        known = None if cached == 0 else self._held_by(cache)
        if known is None:  # a whole prompt, or what is left of one behind a cache from elsewhere
            whole = prompt_mask(mask, rows, cached + length, device)
            ids = self._ids if self._ids is not None and self._ids.shape == whole.shape else None
            return self.begin(whole, ids, cache)
        if length > 1:
            raise UsageError(
                f"`input_ids` of a pass onto a cache, with edits applied, must be one token a row; got {length}, which "
                "may be the rest of the prompt or of its answer; give the whole prompt in one pass, or call "
                "model.hf.generate, which tells where the prompt ends."
            )
        return known

    def _held_by(self, cache: object) -> Turn | None:
        """Return the prompt whose keys and values a cache holds, if this block followed it."""
        return getattr(cache, TURNS, {}).get(self._number)

    def _after(self, _module: nn.Module, _args: tuple, output: object) -> None:
        """Forget the pass, and remember which prompt its cache holds."""
        if not self._of_model.lock.mine:
            return
        cache = getattr(output, "past_key_values", None)
        if cache is not None and self._turn is not None and not self.silent:
            vars(cache).setdefault(TURNS, {})[self._number] = self._turn
        self._turn = self._session = self._ids = None


def cached_slots(cache: Cache | None) -> int:
    """Return how many slots a cache holds; a static one counts in a tensor."""
    return 0 if cache is None else int(cache.get_seq_length())


def _capacity(cache: object) -> int:
    """Return how many keys a static cache's attention is over; 0 for caches that grow."""
    layers = getattr(cache, "layers", None) or []
    return max((int(getattr(layer, "max_cache_len", 0) or 0) for layer in layers), default=0)


def _check_pass(model: Model, kwargs: dict[str, Any]) -> None:
    """Refuse passes that cannot be followed.

    Raises:
        UsageError: Another thread makes the pass, or its rows hold several sequences.
    """
    if not Session.of(model).lock.mine:
        refuse_thread(model)
    positions = kwargs.get("position_ids")
    packed = any(kwargs.get(name) is not None for name in PACKED)
    if kwargs.get("attention_mask") is None and positions is not None:
        first = positions if positions.ndim == 2 else positions[0]
        packed = packed or bool((first.diff(dim=-1) < 0).any())
    if packed:
        raise UsageError(
            "`model` with edits applied must be given one prompt a row; these rows hold several sequences packed one "
            "after the other; pad them on the left, or use trimtab.generate, which needs no packing."
        )


def refuse_thread(model: Model) -> None:
    """Refuse a call of the model in another thread than that of its open block.

    Raises:
        UsageError: Always.
    """
    raise UsageError(
        f"`hf` of {model.name} must be called in the thread that opened the `applied` block; another thread called it "
        "while the block was open; open the block inside that thread, or call trimtab.generate there, which waits."
    )
