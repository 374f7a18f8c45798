"""SmolLM2's tokenizer, and the turns that pictures are put into."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gguf import GGUFReader
    from tokenizers import Tokenizer

IMAGE_TOKEN = "<jupyter_start>"
"""What stands for a patch of a picture: one of the tokenizer's own special tokens, which a chat never has."""
IMAGE_TOKEN_ID = 11

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '" + IMAGE_TOKEN + "\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }}{% endfor %}"
    "{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""SmolLM2's turns without the system sentence that it puts first; pictures come first in their turn."""

SPECIAL = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
_CONTROL = 3  # GGUF's type of special tokens


def from_gguf(reader: GGUFReader) -> tuple[Tokenizer, dict[str, str]]:
    """Build the tokenizer that a GGUF file describes.

    Digits are split off one by one before anything else, as GGUF's ``smollm`` means and SmolLM2's own tokenizer does.

    Returns:
        The tokenizer, and its special tokens by what transformers calls them.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    def of(key: str) -> Any:
        return reader.fields[f"tokenizer.ggml.{key}"].contents()

    tokens, kinds = of("tokens"), of("token_type")
    merges = [tuple(merge.split(" ")) for merge in of("merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer, {name: tokens[of(f"{key}_token_id")] for key, name in SPECIAL.items()}


def tokenizer_files(described: tuple[Tokenizer, dict[str, str]]) -> dict[str, bytes]:
    """Return the files of a fast tokenizer, and of the chat template that goes with it."""
    tokenizer, special = described
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **special}
    return {
        "tokenizer.json": tokenizer.to_str().encode(),
        "tokenizer_config.json": json.dumps(settings, indent=2).encode(),
        "chat_template.jinja": CHAT_TEMPLATE.encode(),
    }
