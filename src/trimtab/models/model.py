"""A loaded model, seen through its family: parts, sizes, images and identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError
from trimtab.media import open_medium
from trimtab.modalities import Modality, in_order
from trimtab.models.decoder import Decoder
from trimtab.models.family import Family
from trimtab.models.family_media import MediaInput
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.models.hugging_face import FastTokenizer, HuggingFaceModel
from trimtab.models.masks import blocks_of
from trimtab.models.patches import Counterfactual
from trimtab.models.plain_text import PlainText
from trimtab.models.report import LoadReport
from trimtab.models.showing import ShownMedia


class Model(Decoder):
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
        hf: HuggingFaceModel,
        tokenizer: FastTokenizer,
        processors: Mapping[Modality, Any],
        chat_template: str,
        family: Family,
        name: str,
    ) -> None:
        super().__init__(hf, family, name)
        hf.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.processors = dict(processors)
        self.chat_template = chat_template
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
        known = self.family.placeholders(self.hf)
        return {kind: token for kind, token in known.items() if kind in self.processors}

    @cached_property
    def marks(self) -> dict[Modality, str]:
        """What the chat template writes for a medium of each modality."""
        known = self.family.written(self.hf, self.tokenizer)
        return {kind: mark for kind, mark in known.items() if kind in self.processors}

    def expand(self, medium: MediaInput) -> str:
        """Return the text that takes the place of a medium's mark, with a placeholder for each of its positions."""
        return self.family.expand(medium, self.tokenizer.convert_ids_to_tokens(self.placeholders[medium.kind]))

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
    def plain_text(self) -> PlainText:
        """Tokenizes a user's text so that no control token can be typed in it."""
        return PlainText(self.tokenizer, self.name)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the configuration and of a sample of every weight; equal for equal models."""
        return weights_fingerprint(self.hf)

    def show(
        self, kind: Modality, medium: object, counterfactual: Counterfactual | None = None, *, among: bool = False
    ) -> MediaInput:
        """Say how a medium is shown: its positions and its digest; its tensors are made when they are asked for.

        So thousands of prompts can be planned at once, while only the media at work are in memory.

        Args:
            kind: The modality.
            medium: What ``trimtab.media.open_medium`` takes; it must stay as it is.
            counterfactual: Weight a picture's patches by a changed map of the vision tower's attention; see
                ``patch_weights``. Equal pictures get equal weights.
            among: Whether it is one of several of its modality in its prompt, which some families treat otherwise.

        Raises:
            UnsupportedModelError: The model cannot be shown media of this kind.
        """
        if kind not in self.placeholders:
            why = f" ({self.family.not_shown[kind]})" if kind in self.family.not_shown else ""
            raise UnsupportedModelError(
                f"`media` of a prompt must be of a modality that {self.name} takes ({', '.join(self.modalities)}); got "
                f"{kind}{why}; leave it out, or load another model."
            )
        return self._shown.show(kind, open_medium(kind, medium), counterfactual, among and kind in self.family.company)

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
        embeds = self.embed_ids(ids)
        if not media and not self.media_positions(ids).any():
            return embeds
        for places, features in self._filled(ids, media, encoded):
            own = features if features.ndim == 2 else features[:, 0]
            embeds = embeds.masked_scatter(places[:, None], own.to(embeds))
        return embeds

    def extras(
        self,
        ids: Tensor,
        media: Sequence[MediaInput],
        encoded: Mapping[str, Tensor] | None = None,
        blocks: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return what the family's decoder needs of each token beside its embedding; nothing for most families.

        Args:
            ids: Token ids of a whole prompt, ``(length,)``.
            media: What is shown, as for ``embed``; none leaves out what media add.
            encoded: See ``embed``.
            blocks: The prompt's blocks; left out, those of the ids.

        Returns:
            ``(length, ...)`` by name; see ``Family.decoder_inputs``. ``decode`` takes them with a first axis of rows.
        """
        found, family = {}, self.family
        if family.wants_ids:
            found["ids"] = ids
        if self.n_streams and media:
            streams = torch.zeros(len(ids), self.n_streams, self.hidden_size, device=ids.device, dtype=self.dtype)
            for places, features in self._filled(ids, media, encoded):
                streams[places] = features[:, 1:].to(streams)
            found |= {"streams": streams, "shown": self.media_positions(ids)}
        if self.mask_rule != "causal":
            own = self.blocks(ids) if blocks is None else blocks
            assert own is not None
            found["blocks"] = own
        return found

    def _filled(
        self, ids: Tensor, media: Sequence[MediaInput], encoded: Mapping[str, Tensor] | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the places of each modality and the features that fill them."""
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
                yield places, torch.cat(own)

    def blocks(self, ids: Tensor) -> Tensor | None:
        """Return the blocks of a whole prompt whose tokens see each other, ``(length,)``; None if none do."""
        return blocks_of(self.mask_rule, ids, list(self.placeholders.values()))
