"""What trimtab must know of a model family, and the registry of families it knows.

A family is a stateless object: it says where the parts of a Hugging Face model are and how what it is shown becomes
tokens and positions. Everything above this package asks the family and never names a module path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trimtab.modalities import Modality
from trimtab.models.family_media import FamilyMedia, MediaInput
from trimtab.models.hugging_face import Configuration, HuggingFaceModel
from trimtab.models.masks import MaskRule, attends_of, windows_of
from trimtab.models.norms import NormKind
from trimtab.registry import Registry

if TYPE_CHECKING:
    from transformers import DynamicCache


class Family(FamilyMedia):
    """Where the parts of one family of Hugging Face models are; what is said here suits most.

    A family's file overrides what differs, and must say what raises ``NotImplementedError`` here.
    """

    checkpoints: tuple[str, ...] = ()
    """Released checkpoints that the file was written for, as the Hub names them."""
    decoder_path: str = "model.language_model"
    """The text decoder in the model: embeddings in, normalised hidden states out."""
    layers_path: str = "layers"
    """The decoder's blocks, in the decoder."""
    norm_path: str = "norm"
    """The norm after the last block, in the decoder."""
    attention_path: str = "self_attn"
    """A block's attention, which takes ``attention_mask`` by name."""
    heads_path: str = "self_attn.o_proj"
    """In a block, the linear map whose input is the outputs of the attention's heads, head after head."""
    norm: NormKind = "rms"
    """What the final norm computes."""
    mask: MaskRule = "causal"
    """Which tokens see each other whatever the order; prompts are never cut inside such a block."""
    wants_ids: bool = False
    """Whether the decoder is given token ids beside the embeddings."""
    optional: tuple[Modality, ...] = ()
    """Modalities that a checkpoint of the family may lack; it loads without them, and the report says why."""
    part: str | None = None
    """Key of the configuration of what is loaded, where a checkpoint holds more than that."""
    leaves_out: tuple[str, ...] = ()
    """How the names of tensors begin that such a checkpoint holds beside, and that are not loaded."""
    refuses: Mapping[str, str] = {}
    """Jobs that must not be tried with this family, and why, in a few words."""

    @property
    def why_not_plain(self) -> str | None:
        """Why what is kept of a prompt depends on its last token, as contributions cannot have it; None if it does not.

        Windows and layers that carry a state are the checkpoint's: see ``windows`` and ``attends``.
        """
        return "tokens of a prompt see each other whatever the order" if self.mask == "prompt" else None

    def mask_rule(self, hf: HuggingFaceModel) -> MaskRule:
        """Which tokens see each other in this model, where configurations of a family differ in it."""
        return self.mask

    def attentions(self, config: Configuration) -> tuple[str, ...]:
        """Implementations of attention that a configuration's layers can have, the usual one first."""
        return "sdpa", "eager"

    def attending(self, config: Configuration, chosen: str) -> str | dict[str, str]:
        """What transformers is told where ``chosen`` of these is used: for all parts of the model, or for each."""
        return chosen

    def decoder(self, hf: HuggingFaceModel) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        return hf.get_submodule(self.decoder_path)

    def layers(self, hf: HuggingFaceModel) -> nn.ModuleList:
        """The decoder's blocks, in order."""
        return cast(nn.ModuleList, self.decoder(hf).get_submodule(self.layers_path))

    def head_outputs(self, layer: nn.Module) -> nn.Module:
        """The linear map whose input is the concatenated outputs of the layer's attention heads."""
        return layer.get_submodule(self.heads_path)

    def attention(self, layer: nn.Module) -> nn.Module:
        """The layer's attention, which takes ``attention_mask`` by name."""
        return layer.get_submodule(self.attention_path)

    def final_norm(self, hf: HuggingFaceModel) -> nn.Module:
        """The norm between the last layer and the unembedding."""
        return self.decoder(hf).get_submodule(self.norm_path)

    def head_dims(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Width of a query head in each layer."""
        config = hf.config.get_text_config()
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return (width,) * len(self.layers(hf))

    def kv_heads(self, hf: HuggingFaceModel) -> tuple[int, ...]:
        """Key-value heads of each layer; 0 where a layer attends to the keys of an earlier one."""
        return (hf.config.get_text_config().num_key_value_heads,) * len(self.layers(hf))

    def logit_cap(self, hf: HuggingFaceModel) -> float | None:
        """What the unembedding's logits are kept below in size, by a tanh; None leaves them as they are."""
        return None

    def looked_up(self, hf: HuggingFaceModel, ids: Tensor) -> Tensor:
        """The ids whose embeddings tokens get, where these are not always their own, in the shape of ``ids``."""
        return ids

    def positions(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> Tensor:
        """Rotary positions of an unpadded prompt ``ids`` of shape ``(length,)``, as ``(axes, length)``."""
        return torch.arange(len(ids), device=ids.device)[None]

    def windows(self, hf: HuggingFaceModel) -> tuple[int | None, ...]:
        """How many tokens each layer sees, the token itself among them; None for all."""
        return windows_of(hf.config.get_text_config(), len(self.layers(hf)))

    def attends(self, hf: HuggingFaceModel) -> tuple[bool, ...]:
        """Whether each layer attends to earlier tokens one by one; the others carry a state from token to token."""
        return attends_of(hf.config.get_text_config(), len(self.layers(hf)))

    def cache(self, hf: HuggingFaceModel) -> DynamicCache:
        """An empty cache for the decoder."""
        from transformers import DynamicCache

        return DynamicCache()

    def decoder_inputs(self, hf: HuggingFaceModel, extras: Mapping[str, Tensor]) -> dict[str, Any]:
        """What the decoder is given beside embeddings, mask and positions.

        Args:
            hf: The model.
            extras: Of a batch of pieces of prompts, padded on the left: ``ids``, ``(rows, length)``, if wanted;
                and, where a medium is shown, ``streams``, ``(rows, length, streams, hidden)``, with ``shown``,
                ``(rows, length)``, which is True at its positions.
        """
        return {}

    def native_inputs(self, hf: HuggingFaceModel, ids: Tensor, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Keyword inputs for the model's own ``forward`` and ``generate``, batch of one."""
        given = {"input_ids": ids[None], "attention_mask": torch.ones_like(ids[None])}
        for kind in dict.fromkeys(medium.kind for medium in media):
            own = self.joined([medium for medium in media if medium.kind == kind])
            given |= {name: tensor.to(ids.device) for name, tensor in own.items()}
        return given

    def guard(self, hf: HuggingFaceModel) -> None:
        """Close the family's silent traps on this instance."""


FAMILIES: Registry[Family] = Registry("`model_type`")
"""Known families by ``model_type``. A new family is one file and one ``register`` line."""


def register(family: Family) -> None:
    """Make a family known to ``trimtab.load``."""
    FAMILIES.register(family)
