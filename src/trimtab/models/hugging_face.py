"""What trimtab asks of the objects that it takes from transformers, as types; nothing is ever made of these classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

from torch import Tensor, nn

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer
    from transformers import BatchEncoding, GenerationConfig


class Configuration:
    """What a checkpoint says of itself, or of a part of it; each family has keys of its own."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


class Processor(Configuration):
    """What makes tensors of a medium, with settings of its own."""

    if TYPE_CHECKING:

        def __call__(self, *media: object, **options: object) -> Mapping[str, Any]:
            """Return the tensors by name."""
            ...


def as_processor(own: object) -> Processor:
    """Take one of transformers' processors for what it is; their own classes do not declare all of their settings."""
    return cast(Processor, own)


class TowerOutput:
    """What a model's own code says of media.

    Attributes:
        pooler_output: Decoder embeddings: of all positions, ``(positions, hidden)``, or of each medium or tile.
        deepstack_features: Of some towers, what is added further up, block after block, each as ``pooler_output``.
    """

    pooler_output: Tensor | Sequence[Tensor]
    deepstack_features: Sequence[Sequence[Tensor]]


class Body(nn.Module):
    """What a model is made of but for the unembedding; each family has parts of its own."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class HuggingFaceModel(nn.Module):
    """A model that generates text.

    Attributes:
        config: Its configuration.
        model: What it is made of but for the unembedding; each family has parts of its own.
        generation_config: How it decodes by itself.
    """

    config: Configuration
    model: Body
    generation_config: GenerationConfig
    generate: Callable[..., Tensor]
    prepare_inputs_for_generation: Callable[..., dict[str, Any]]
    _prepare_position_ids_for_generation: Callable[[Tensor, dict[str, Any]], Tensor]

    if TYPE_CHECKING:

        def get_input_embeddings(self) -> nn.Embedding:
            """The token embedding table."""
            ...

        def get_output_embeddings(self) -> nn.Linear:
            """The map from normalised hidden states to logits."""
            ...

        def save_pretrained(self, folder: Path) -> None:
            """Write configuration and weights."""
            ...

        def set_attn_implementation(self, implementation: str | dict[str, str]) -> None:
            """Attend by another implementation from now on, or some parts by one each."""
            ...


class FastTokenizer:
    """A fast tokenizer, which knows the characters of each token."""

    if TYPE_CHECKING:
        added_tokens_decoder: Mapping[int, AddedToken]
        backend_tokenizer: Tokenizer
        chat_template: str | Mapping[str, str] | None
        is_fast: bool
        bos_token: str | None
        eos_token: str | None
        unk_token: str | None
        bos_token_id: int | None
        eos_token_id: int | None
        pad_token_id: int | None
        unk_token_id: int | None

        def __call__(self, text: str, *, add_special_tokens: bool = ..., **options: object) -> BatchEncoding:
            """Return ``input_ids`` and more."""
            ...

        def apply_chat_template(self, turns: Sequence[Mapping[str, object]], **options: object) -> str:
            """Return turns as text."""
            ...

        def convert_ids_to_tokens(self, ids: int) -> str:
            """Return the text of a token of the vocabulary."""
            ...

        @overload
        def convert_tokens_to_ids(self, tokens: str) -> int: ...
        @overload
        def convert_tokens_to_ids(self, tokens: list[str] | tuple[str, ...]) -> list[int]: ...
        def convert_tokens_to_ids(self, tokens: str | list[str] | tuple[str, ...]) -> int | list[int]:
            """Return a token's id, or those of several."""
            ...

        def decode(self, ids: object, *, skip_special_tokens: bool = ...) -> str:
            """Return the text of tokens."""
            ...

        def batch_decode(self, ids: object, *, skip_special_tokens: bool = ...) -> list[str]:
            """Return the texts of rows of tokens."""
            ...

        def __len__(self) -> int:
            """Return how many tokens there are, added ones among them."""
            ...

        def get_vocab(self) -> dict[str, int]:
            """Return each token's id."""
            ...

        def save_pretrained(self, folder: Path) -> None:
            """Write its files."""
            ...
