"""The decoder of a model, run with all that it could guess given: positions, masks, and what else a family needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from trimtab.errors import UnsupportedMethodError
from trimtab.models.anatomy import Anatomy
from trimtab.models.family import Family
from trimtab.models.hugging_face import HuggingFaceModel
from trimtab.models.masks import MaskRule, in_form, seen

if TYPE_CHECKING:
    from transformers import DynamicCache


class Decoder(Anatomy):
    """A model's decoder as something that is run.

    Attributes:
        name: What errors call the model.
    """

    def __init__(self, hf: HuggingFaceModel, family: Family, name: str) -> None:
        super().__init__(hf, family)
        self.name = name

    def require(self, job: str, *, sees: int = 0) -> None:
        """Refuse a job that the model's family does not allow.

        Args:
            job: What is about to be done, as the family's ``refuses`` names it.
            sees: How many tokens a query must see in every layer, itself among them, by keys and values that do not
                depend on it; 0 if the job does not care.

        Raises:
            UnsupportedMethodError: With the reason.
        """
        family = self.family
        reason = family.refuses.get(job)
        if reason is None and sees and self.recurrent:
            reason = f"layer {self.attends.index(False)} has linear attention, without keys and values of each token"
        if reason is None and sees:
            reason = family.why_not_plain or self.why_unseen(sees)
        if reason is not None:
            raise UnsupportedMethodError(
                f"`{job}` must suit family {family.name}; {self.name} is refused: {reason}; use another one."
            )

    def why_unseen(self, length: int) -> str | None:
        """Say which layer does not see so many tokens; None if all do."""
        narrow = next((layer for layer, window in enumerate(self.windows) if window and window < length), None)
        if narrow is None:
            return None
        return f"layer {narrow} sees {self.windows[narrow]:,} of {length:,} tokens (a sliding window)"

    def require_attending(self, layers: Iterable[int], owner: str) -> None:
        """Refuse work on heads or on what tokens see of each other in layers that carry a state instead.

        Args:
            layers: Numbers of layers; negative ones count from the end.
            owner: What works on them, for the message.

        Raises:
            UnsupportedMethodError: One of them does not attend, with those that do.
        """
        lacking = [layer for layer in layers if not self.attends[layer]]
        if lacking:
            able = ", ".join(str(layer) for layer, attends in enumerate(self.attends) if attends)
            raise UnsupportedMethodError(
                f"`layers` of {owner} must be layers that attend to tokens one by one; layer "
                f"{lacking[0] % self.n_layers} of {self.name} has linear attention: a state that holds all earlier "
                f"tokens together; name layers among {able}."
            )

    @cached_property
    def n_streams(self) -> int:
        """Features that media have for each position beside their embedding."""
        return self.family.streams(self.hf)

    @cached_property
    def mask_rule(self) -> MaskRule:
        """Which tokens see each other whatever the order."""
        return self.family.mask_rule(self.hf)

    @property
    def needs_extras(self) -> bool:
        """Whether ``decode`` must be given ``extras``."""
        return bool(self.n_streams) or self.family.wants_ids or self.mask_rule != "causal"

    @property
    def can_begin_late(self) -> bool:
        """Whether ``decode`` can begin at any layer; not where layers differ, told by their number."""
        return len(set(self.windows)) <= 1 and not self.needs_extras and not self.recurrent

    def decode(
        self,
        embeds: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None = None,
        first_layer: int = 0,
        *,
        extras: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Run the text decoder with explicit positions, so nothing can be guessed wrongly.

        Args:
            embeds: Input embeddings, or what enters ``first_layer``, ``(batch, length, hidden)``.
            mask: 1 at real tokens and 0 at padding, ``(batch, cached + length)``.
            positions: Rotary positions, ``(axes, batch, length)``.
            cache: Keys and values of earlier tokens; extended in place.
            first_layer: Where to begin; see ``can_begin_late``.
            extras: What some families need of each token beside its embedding, by name, ``(batch, length, ...)``: see
                ``Family.decoder_inputs``, and ``blocks`` from ``blocks``.

        Returns:
            Normalised hidden states, ``(batch, length, hidden)``; ``logits`` maps them to logits.

        Raises:
            UnsupportedMethodError: The family needs extras, and none are given.
        """
        if extras is None and self.needs_extras:
            raise UnsupportedMethodError(
                f"`extras` of a pass must be given for family {self.family.name}, whose decoder takes more than "
                f"embeddings; what was asked of {self.name} does not hand them on; use trimtab.run or trimtab.generate."
            )
        given = extras or {}
        with self._from_layer(first_layer):
            return self.decoder(
                inputs_embeds=embeds,
                attention_mask=self._masks(mask, embeds.shape[1], given.get("blocks")),
                position_ids=positions[0] if len(positions) == 1 else positions,
                past_key_values=cache,
                use_cache=cache is not None,
                **self.family.decoder_inputs(self.hf, given),
            ).last_hidden_state

    def _masks(self, mask: Tensor, length: int, blocks: Tensor | None) -> Tensor | dict[str, Tensor]:
        """Return the mask as it is for plain causal layers; else what each kind of layer sees."""
        if blocks is None and not any(self.windows):
            return mask
        form = self.text_config._attn_implementation, self.dtype
        kinds = getattr(self.text_config, "layer_types", None) or [""] * self.n_layers
        found = {
            k: in_form(seen(mask, length, w, blocks, self.mask_rule), *form)
            for k, w in dict(zip(kinds, self.windows, strict=True)).items()
        }
        return found if len(found) > 1 else next(iter(found.values()))

    @contextmanager
    def _from_layer(self, first: int) -> Iterator[None]:
        """Leave out the layers below ``first`` inside the block; the others keep their places in the cache."""
        if first == 0:
            yield
            return
        decoder, every = self.decoder, self.family.layers(self.hf)
        decoder.layers = every[first:]
        try:
            yield
        finally:
            decoder.layers = every
