"""The parts of a Hugging Face model, as its family says where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedMethodError
from trimtab.models.family import Family
from trimtab.models.hugging_face import Configuration, HuggingFaceModel
from trimtab.models.norms import before_norm, normed
from trimtab.models.offload import home
from trimtab.models.positions import position_limit


class Anatomy:
    """A Hugging Face model taken apart.

    Attributes:
        hf: The Hugging Face model.
        family: Where its parts are.
    """

    def __init__(self, hf: HuggingFaceModel, family: Family) -> None:
        self.hf, self.family = hf, family

    @cached_property
    def text_config(self) -> Configuration:
        """The decoder's configuration."""
        return self.hf.config.get_text_config()

    @cached_property
    def decoder(self) -> nn.Module:
        """The text decoder: embeddings in, normalised hidden states out."""
        return self.family.decoder(self.hf)

    @cached_property
    def layers(self) -> list[nn.Module]:
        """The decoder's blocks, first to last."""
        return list(self.family.layers(self.hf))

    @cached_property
    def attends(self) -> tuple[bool, ...]:
        """Whether each layer attends to earlier tokens one by one; the others carry a state from token to token."""
        return self.family.attends(self.hf)

    @property
    def recurrent(self) -> bool:
        """Whether some layers carry a state, into which padding between tokens would leak."""
        return not all(self.attends)

    @cached_property
    def head_outputs(self) -> dict[int, nn.Module]:
        """For each layer that attends, by number, the map whose input is its heads' outputs, head after head."""
        return self._of_attending(self.layers, self.family.head_outputs)

    @cached_property
    def attentions(self) -> dict[int, nn.Module]:
        """For each layer that attends, by number, its attention."""
        return self._of_attending(self.layers, self.family.attention)

    def _of_attending(
        self, layers: Sequence[nn.Module], part: Callable[[nn.Module], nn.Module]
    ) -> dict[int, nn.Module]:
        return {number: part(layer) for number, layer in enumerate(layers) if self.attends[number]}

    @cached_property
    def embedding(self) -> nn.Embedding:
        """The token embedding table."""
        return self.hf.get_input_embeddings()

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Return the embeddings of token ids ``(...)``, ``(..., hidden)``."""
        return self.embedding(self.family.looked_up(self.hf, ids))

    @cached_property
    def lm_head(self) -> nn.Module:
        """The map from normalised hidden states to logits, or to what ``capped`` makes logits of."""
        return self.hf.get_output_embeddings()

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of normalised hidden states ``(..., hidden)``, ``(..., vocabulary)``."""
        return self.capped(self.lm_head(hidden))

    def capped(self, logits: Tensor) -> Tensor:
        """Return logits as the model's own ``forward`` does: kept below its cap in size, if it has one."""
        cap = self.family.logit_cap(self.hf)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def refresh_parts(self) -> None:
        """Look the parts up again if modules were replaced since, as adapters do."""
        layers = list(self.family.layers(self.hf))
        found = {
            "decoder": self.family.decoder(self.hf),
            "layers": layers,
            "head_outputs": self._of_attending(layers, self.family.head_outputs),
            "attentions": self._of_attending(layers, self.family.attention),
            "embedding": self.hf.get_input_embeddings(),
            "lm_head": self.hf.get_output_embeddings(),
        }
        for name, part in found.items():
            known = vars(self).get(name)
            if isinstance(known, (nn.Module, list, dict)) and known != part:  # modules are equal to themselves alone
                vars(self)[name] = part

    def forget_parts(self) -> None:
        """Look for the model's parts anew, after modules or weights were exchanged."""
        for name in [n for n in vars(self) if isinstance(getattr(type(self), n, None), cached_property)]:
            delattr(self, name)

    def normed(self, states: Tensor) -> Tensor:
        """Return what the final norm makes of the last layer's states ``(..., hidden)``, in float32."""
        return normed(self.family.final_norm(self.hf), self.family.norm, states)

    def before_norm(self, directions: Tensor, states: Tensor) -> Tensor:
        """Return directions behind the final norm as directions before it, where it is frozen at some states.

        So frozen, the logits are linear in the residual stream, and the contributions of its parts add up to them, but
        for the bias of a layer norm.

        Args:
            directions: Such as rows of the unembedding, ``(..., hidden)``.
            states: The last layer's, ``(..., hidden)``.
        """
        return before_norm(self.family.final_norm(self.hf), self.family.norm, directions, states)

    @cached_property
    def max_positions(self) -> int | None:
        """Tokens that a prompt and its answer may have together; None if the configuration sets no limit."""
        return position_limit(self.text_config)

    @cached_property
    def windows(self) -> tuple[int | None, ...]:
        """How many tokens each layer sees, the token itself among them; None for all that a prompt can have."""
        most = self.max_positions
        found = self.family.windows(self.hf)
        return tuple(None if w is None or (most is not None and w >= most) else w for w in found)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.layers)

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return self.text_config.num_attention_heads

    @property
    def head_dims(self) -> tuple[int, ...]:
        """Width of a query head in each layer."""
        return self.family.head_dims(self.hf)

    @property
    def kv_heads(self) -> tuple[int, ...]:
        """Key-value heads of each layer; 0 where a layer attends to the keys of an earlier one."""
        return self.family.kv_heads(self.hf)

    @property
    def key_widths(self) -> tuple[int, ...]:
        """Numbers that a token's keys take in each layer, as many as its values do."""
        return tuple(heads * width for heads, width in zip(self.kv_heads, self.head_dims, strict=True))

    @property
    def head_dim(self) -> int:
        """Width of a query head in every layer.

        Raises:
            UnsupportedMethodError: Layers differ in it.
        """
        widths = sorted(set(self.head_dims))
        if len(widths) > 1:
            raise UnsupportedMethodError(
                f"`head_dim` must be one number for what was asked; heads of family {self.family.name} have "
                f"{' or '.join(map(str, widths))} by their layer; use another model."
            )
        return widths[0]

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
