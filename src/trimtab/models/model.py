"""A loaded model, seen through its family: parts, sizes, images and identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError
from trimtab.media import open_medium
from trimtab.modalities import Modality, in_order
from trimtab.models.anatomy import Anatomy
from trimtab.models.family import Family, MediaInput
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.models.patches import Counterfactual
from trimtab.models.plain_text import PlainText
from trimtab.models.positions import position_limit
from trimtab.models.report import LoadReport
from trimtab.models.showing import ShownMedia

if TYPE_CHECKING:
    from transformers import DynamicCache


class Model(Anatomy):
    """A multimodal model with its tokenizer and the processors of what it is shown.

    Attributes:
        hf: The Hugging Face model, in eval mode with frozen parameters.
        tokenizer: Its tokenizer.
        processors: The processor of each modality that it can be shown.
        chat_template: The Jinja chat template that renders a turn.
        family: Where the model's parts are.
        name: The name or path it was loaded from.
        report: What loading found: types, limits, overridden settings.
    """

    def __init__(
        self,
        hf: nn.Module,
        tokenizer: Any,
        processors: Mapping[Modality, Any],
        chat_template: str,
        family: Family,
        name: str,
    ) -> None:
        hf = cast(nn.Module, getattr(hf, "_orig_mod", hf))  # torch.compile's wrapper goes around hooks
        super().__init__(hf.eval().requires_grad_(False), family)
        self.tokenizer = tokenizer
        self.processors = dict(processors)
        self.chat_template = chat_template
        self.name = name
        self.report = LoadReport(str(self.dtype).removeprefix("torch."))
        self._shown = ShownMedia(self)

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, family={self.family.name!r}, layers={self.n_layers}, heads={self.n_heads}, "
            f"hidden={self.hidden_size}, dtype={str(self.dtype).removeprefix('torch.')}, device={self.device})"
        )

    @cached_property
    def placeholders(self) -> dict[Modality, int]:
        """Id of the token that stands for one position of each modality that the model can be shown."""
        return self.family.placeholders(self.hf)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the model takes, ``text`` among them."""
        return in_order([*self.placeholders, "text"])

    @property
    def image_processor(self) -> Any:
        """What pictures are preprocessed by; None for a model without eyes."""
        return self.processors.get("image")

    @cached_property
    def stop_tokens(self) -> frozenset[int]:
        """Ids that end a generation."""
        config = getattr(self.hf, "generation_config", None)
        declared = getattr(config, "eos_token_id", None)
        ids = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*ids, self.tokenizer.eos_token_id] if i is not None)

    @cached_property
    def max_positions(self) -> int | None:
        """Tokens that a prompt and its answer may have together; None if the configuration sets no limit."""
        return position_limit(self.text_config)

    @cached_property
    def plain_text(self) -> PlainText:
        """Tokenizes a user's text so that no control token can be typed in it."""
        return PlainText(self.tokenizer, self.name)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the configuration and of a sample of every weight; equal for equal models."""
        return weights_fingerprint(self.hf)

    def show(self, kind: Modality, medium: Any, counterfactual: Counterfactual | None = None) -> MediaInput:
        """Say how a medium is shown: its positions and its digest; its tensors are made when they are asked for.

        So thousands of prompts can be planned at once, while only the media at work are in memory.

        Args:
            kind: The modality.
            medium: What ``trimtab.media.open_medium`` takes; it must stay as it is.
            counterfactual: Weight a picture's patches by a changed map of the vision tower's attention; see
                ``patch_weights``. Equal pictures get equal weights.

        Raises:
            UnsupportedModelError: The model cannot be shown media of this kind.
        """
        if kind not in self.placeholders:
            raise UnsupportedModelError(
                f"`media` of a prompt must be of a modality that {self.name} takes ({', '.join(self.modalities)}); got "
                f"{kind}; leave it out, or load another model."
            )
        return self._shown.show(kind, open_medium(kind, medium), counterfactual)

    @property
    def remembered_bytes(self) -> int:
        """Bytes that remembered media take, on the host and on the device."""
        return self._shown.bytes

    def forget_media(self) -> None:
        """Drop the remembered media, so that what is computed next does not depend on what came before."""
        self._shown.forget()

    def give_up_media(self) -> int:
        """Drop the remembered media and keep half as many from now on; return how many bytes they took."""
        return self._shown.give_up()

    def embed_media(self, media: Sequence[MediaInput]) -> list[Tensor]:
        """Encode media to decoder embeddings; each is encoded once while it is remembered.

        Where memory runs out, remembered media are given up first, and then fewer are encoded at once.

        Args:
            media: Preprocessed media of any modalities, repeats allowed.

        Returns:
            One ``(n_tokens, hidden)`` tensor for each, without gradient.

        Raises:
            NotEnoughMemoryError: One medium by itself does not fit.
        """
        return self._shown.encode(media)

    def media_positions(self, ids: Tensor) -> Tensor:
        """Say of token ids which stand for positions of media, in their shape."""
        return torch.stack([ids == token for token in self.placeholders.values()]).any(0)

    def embed(self, ids: Tensor, media: Sequence[MediaInput], encoded: Mapping[str, Tensor] | None = None) -> Tensor:
        """Embed one unpadded prompt, media in the places of their tokens.

        Args:
            ids: Token ids, ``(length,)``.
            media: What the prompt shows, in order within each modality.
            encoded: What ``embed_media`` returned for it, by key; left out, it is encoded or remembered.

        Returns:
            Embeddings, ``(length, hidden)``.

        Raises:
            UnsupportedModelError: The prompt has more or fewer positions of a modality than its media fill.
        """
        embeds = self.embedding(ids)
        if not media and not self.media_positions(ids).any():
            return embeds
        found = dict(zip((m.key for m in media), self.embed_media(media), strict=True)) if encoded is None else encoded
        for kind, token in self.placeholders.items():
            own, places = [found[m.key] for m in media if m.kind == kind], ids == token
            filled = sum(map(len, own))
            if filled != int(places.sum()):
                raise UnsupportedModelError(
                    f"`media` of {self.name} must fill the prompt's {int(places.sum())} {kind} positions; they hold "
                    f"{filled}; check the {kind} processor's sizes against the checkpoint."
                )
            if own:
                embeds = embeds.masked_scatter(places[:, None], torch.cat(own).to(embeds))
        return embeds

    @property
    def can_begin_late(self) -> bool:
        """Whether ``decode`` can begin at any layer; not where layers attend differently, told by their number."""
        return len(set(getattr(self.text_config, "layer_types", None) or ())) <= 1

    def decode(
        self,
        embeds: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None = None,
        first_layer: int = 0,
    ) -> Tensor:
        """Run the text decoder with explicit positions, so nothing can be guessed wrongly.

        Args:
            embeds: Input embeddings, or what enters ``first_layer``, ``(batch, length, hidden)``.
            mask: 1 at real tokens and 0 at padding, ``(batch, cached + length)``.
            positions: Rotary positions, ``(axes, batch, length)``.
            cache: Keys and values of earlier tokens; extended in place.
            first_layer: Where to begin; see ``can_begin_late``.

        Returns:
            Normalised hidden states, ``(batch, length, hidden)``; ``lm_head`` maps them to logits.
        """
        with self._from_layer(first_layer):
            return self.decoder(
                inputs_embeds=embeds,
                attention_mask=mask,
                position_ids=positions[0] if len(positions) == 1 else positions,
                past_key_values=cache,
                use_cache=cache is not None,
            ).last_hidden_state

    @contextmanager
    def _from_layer(self, first: int) -> Iterator[None]:
        """Leave out the layers below ``first`` inside the block; the others keep their places in the cache."""
        if first == 0:
            yield
            return
        decoder, every = cast(Any, self.decoder), self.family.layers(self.hf)
        decoder.layers = every[first:]
        try:
            yield
        finally:
            decoder.layers = every
