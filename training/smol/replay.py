"""Text that the language model wrote before anything was changed: what it is to go on saying."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TOKENS, TOGETHER, SEED = 128, 1024, 41
_STARTS = ("<|endoftext|>", "<|im_start|>")  # a document, a conversation


@torch.no_grad()
def own_texts(language: Any, tokenizer: Any, count: int, file: Path) -> Tensor:
    """Let a language model write, at temperature 1; read what it wrote if the file is there.

    Args:
        language: The unchanged model, with its head.
        tokenizer: Its tokenizer.
        count: How many texts.
        file: Where they are kept.

    Returns:
        count x ``TOKENS`` token ids, each beginning with a special token.
    """
    if file.exists():
        return torch.load(file, weights_only=True)
    torch.manual_seed(SEED)
    starts = torch.tensor(tokenizer.convert_tokens_to_ids(_STARTS)).repeat(count)[:count, None]
    parts = [_written(language, start) for start in starts.split(min(TOGETHER, count))]
    texts = torch.cat(parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    torch.save(texts, partial)
    partial.replace(file)  # whole or not at all: a killed run resumes
    return texts


def _written(language: Any, start: Tensor) -> Tensor:
    return language.generate(
        start.to(language.device),
        attention_mask=torch.ones_like(start).to(language.device),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=TOKENS - 1,
        min_new_tokens=TOKENS - 1,
        pad_token_id=0,
    ).cpu()
