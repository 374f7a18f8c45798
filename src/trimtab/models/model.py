"""A loaded model, seen through its family: parts, sizes, images and identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.media import open_picture
from trimtab.models.family import Family, Pixels
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.models.lock import ModelLock
from trimtab.models.offload import home, present
from trimtab.models.patches import Counterfactual
from trimtab.models.pictures import Pictures
from trimtab.models.plain_text import PlainText
from trimtab.models.positions import position_limit
from trimtab.models.report import LoadReport

if TYPE_CHECKING:
    from transformers import DynamicCache


class Model:
    """A vision-language model with its tokenizer and image processor.

    Attributes:
        hf: The Hugging Face model, in eval mode with frozen parameters.
        tokenizer: Its tokenizer.
        image_processor: Its image processor.
        chat_template: The Jinja chat template that renders a turn.
        family: Where the model's parts are.
        name: The name or path it was loaded from.
        report: What loading found: types, limits, overridden settings.
        lock: Held by whatever runs the model; ``with model.lock:`` keeps other threads out.
    """

    def __init__(
        self,
        hf: nn.Module,
        tokenizer: Any,
        image_processor: Any,
        chat_template: str,
        family: Family,
        name: str,
    ) -> None:
        hf = cast(nn.Module, getattr(hf, "_orig_mod", hf))  # torch.compile's wrapper goes around hooks
        self.hf = hf.eval().requires_grad_(False)
        self.lock = ModelLock.of(self.hf)
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.chat_template = chat_template
        self.family = family
        self.name = name
        self.report = LoadReport(str(self.dtype).removeprefix("torch."))
        self.ambient: list[Any] = []
        """The open ``with applied(...)`` blocks, innermost last; the engine keeps them."""
        self.engine_drives = False
        """True while the engine runs the decoder and applies edits itself."""
        self._batch_size: int | None = None
        self._pictures = Pictures(self)

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, family={self.family.name!r}, layers={self.n_layers}, heads={self.n_heads}, "
            f"hidden={self.hidden_size}, dtype={str(self.dtype).removeprefix('torch.')}, device={self.device})"
        )

    @property
    def batch_size(self) -> int | None:
        """Rows of a batch that are known to fit in memory; None before any is. The engine keeps it."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, rows: int | None) -> None:
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, Integral) or rows < 1):
            raise UsageError(f"`batch_size` of a model must be at least 1, a whole number, or None; got {rows!r}.")
        self._batch_size = rows

    @cached_property
    def text_config(self) -> Any:
        """The decoder's configuration."""
        return cast(Any, self.hf).config.get_text_config()

    @cached_property
    def decoder(self) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        return self.family.decoder(self.hf)

    @cached_property
    def layers(self) -> list[nn.Module]:
        """The decoder's blocks, first to last."""
        return list(self.family.layers(self.hf))

    @cached_property
    def head_outputs(self) -> list[nn.Module]:
        """For each layer, the map whose input is its heads' outputs, head after head."""
        return [self.family.head_outputs(layer) for layer in self.layers]

    @cached_property
    def attentions(self) -> list[nn.Module]:
        """For each layer, its attention."""
        return [self.family.attention(layer) for layer in self.layers]

    def refresh_parts(self) -> None:
        """Look the parts up again if modules were replaced since, as adapters do."""
        layers = list(self.family.layers(self.hf))
        found = {
            "decoder": self.family.decoder(self.hf),
            "layers": layers,
            "head_outputs": [self.family.head_outputs(layer) for layer in layers],
            "attentions": [self.family.attention(layer) for layer in layers],
            "embedding": cast(Any, self.hf).get_input_embeddings(),
            "lm_head": cast(Any, self.hf).get_output_embeddings(),
        }
        for name, part in found.items():
            known = vars(self).get(name)
            if isinstance(known, (nn.Module, list)) and known != part:  # modules are equal to themselves alone
                vars(self)[name] = part

    def norm_scale(self, states: Tensor) -> Tensor:
        """Return what the final norm multiplies each component of the last layer's states by, in their shape.

        With these factors frozen the logits are linear in the residual stream, so the contributions of its parts add
        up to them exactly.
        """
        norm = cast(Any, self.family.final_norm(self.hf))
        states = states.float()
        with present(norm):
            weight = norm.weight.float()
        return weight * torch.rsqrt(states.square().mean(-1, keepdim=True) + norm.variance_epsilon)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.layers)

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return self.text_config.num_attention_heads

    @property
    def head_dim(self) -> int:
        """Width of one query head."""
        return getattr(self.text_config, "head_dim", None) or self.hidden_size // self.n_heads

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return self.text_config.hidden_size

    @property
    def device(self) -> torch.device:
        """Where the token embeddings are looked up; inputs go there."""
        return home(self.embedding)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the token embeddings."""
        return self.embedding.weight.dtype

    @cached_property
    def embedding(self) -> nn.Embedding:
        """The token embedding table."""
        return cast(Any, self.hf).get_input_embeddings()

    @cached_property
    def lm_head(self) -> nn.Module:
        """The map from normalised hidden states to logits."""
        return cast(Any, self.hf).get_output_embeddings()

    @cached_property
    def image_token(self) -> int:
        """Id of the token that stands for one image position."""
        return self.family.image_token(self.hf)

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

    def forget_parts(self) -> None:
        """Look for the model's parts anew, after modules or weights were exchanged."""
        for name in [n for n in vars(self) if isinstance(getattr(type(self), n, None), cached_property)]:
            delattr(self, name)

    def pixels(self, image: Image, counterfactual: Counterfactual | None = None) -> Pixels:
        """Say how a picture is shown: its positions and its digest; its tensors are made when they are asked for.

        So thousands of prompts can be planned at once, while only the pictures at work are in memory.

        Args:
            image: The picture; it must stay as it is.
            counterfactual: Weight its patches by a changed map of the vision tower's attention; see ``patch_weights``.
                Equal pictures get equal weights.
        """
        return self._pictures.show(open_picture(image), counterfactual)

    @property
    def remembered_bytes(self) -> int:
        """Bytes that remembered pictures take, on the host and on the device."""
        return self._pictures.bytes

    def forget_images(self) -> None:
        """Drop the remembered pictures, so that what is computed next does not depend on what came before."""
        self._pictures.forget()

    def give_up_images(self) -> int:
        """Drop the remembered pictures and keep half as many from now on; return how many bytes they took."""
        return self._pictures.give_up()

    def embed_images(self, pixels: list[Pixels]) -> list[Tensor]:
        """Encode pictures to decoder embeddings; each picture is encoded once while it is remembered.

        Where memory runs out, remembered pictures are given up first, and then fewer are encoded at once.

        Args:
            pixels: Preprocessed pictures, repeats allowed.

        Returns:
            One ``(n_tokens, hidden)`` tensor for each, without gradient.

        Raises:
            NotEnoughMemoryError: One picture by itself does not fit.
        """
        return self._pictures.encode(pixels)

    def embed(self, ids: Tensor, pixels: list[Pixels], encoded: Mapping[str, Tensor] | None = None) -> Tensor:
        """Embed one unpadded prompt, pictures in the places of their tokens.

        Args:
            ids: Token ids, ``(length,)``.
            pixels: The prompt's pictures in order.
            encoded: What ``embed_images`` returned for them, by key; left out, they are encoded or remembered.

        Returns:
            Embeddings, ``(length, hidden)``.

        Raises:
            UnsupportedModelError: The prompt has more or fewer image positions than the pictures fill.
        """
        embeds = self.embedding(ids)
        places = ids == self.image_token
        if not pixels and not places.any():
            return embeds
        found = self.embed_images(pixels) if encoded is None else [encoded[p.key] for p in pixels]
        images = torch.cat(found).to(embeds)
        if len(images) != int(places.sum()):
            raise UnsupportedModelError(
                f"`pixels` of {self.name} must fill the prompt's {int(places.sum())} image positions; they hold "
                f"{len(images)}; check the image processor's sizes against the checkpoint."
            )
        return embeds.masked_scatter(places[:, None], images)

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

    @contextmanager
    def attention(self, implementation: str) -> Iterator[None]:
        """Use another attention implementation (``"sdpa"``, ``"eager"``) inside the block; other threads wait."""
        with self.lock:
            before = self.text_config._attn_implementation
            cast(Any, self.hf).set_attn_implementation(implementation)
            try:
                yield
            finally:
                cast(Any, self.hf).set_attn_implementation(before)
