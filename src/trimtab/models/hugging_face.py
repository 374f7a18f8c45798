"""What trimtab asks of the objects that it takes from transformers, as types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from transformers import GenerationConfig


class HuggingFaceModel(nn.Module):
    """A model of transformers that generates text; a type alone, nothing is ever made of it.

    Attributes:
        config: Its configuration; each family has keys of its own.
        model: What it is made of but for the unembedding; each family has parts of its own.
        generation_config: How it decodes by itself.
    """

    config: Any
    model: Any
    generation_config: GenerationConfig
    generate: Any
    prepare_inputs_for_generation: Any
    _prepare_position_ids_for_generation: Any
    save_pretrained: Any
    set_attn_implementation: Any

    if TYPE_CHECKING:

        def get_input_embeddings(self) -> nn.Embedding:
            """The token embedding table."""
            ...

        def get_output_embeddings(self) -> nn.Linear:
            """The map from normalised hidden states to logits."""
            ...
