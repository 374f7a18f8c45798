"""`python -m training.smol --runs DIR`: both stages, then the bundled eyes; on a GPU if there is one.

The language model must be there: `make smol`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from training.smol import joint, words
from training.smol.mixture import SIZES, Size
from training.smol.parts import adapt, new_eyes
from training.smol.replay import own_texts
from training.smol.rows import Writer
from training.smol.save import save
from training.smol.validation import shares_right, validation_batches
from trimtab import smol


def main() -> None:
    """Run what is not yet done of the training."""
    parser = argparse.ArgumentParser(prog="python -m training.smol", description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="where logs and states go; a killed run resumes")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="processes that draw")
    parser.add_argument("--eyes", type=Path, default=smol.EYES, help="where the trained eyes go")
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train(device, SIZES[device.type], args.runs / "smol-llava", args.eyes, args.workers)


def train(device: torch.device, size: Size, folder: Path, file: Path, workers: int) -> None:
    """Train on one device and write the eyes.

    Args:
        device: Where.
        size: How much.
        folder: Where logs and states go.
        file: Where the eyes go.
        workers: Processes that draw prompts and pictures.
    """
    torch.manual_seed(0)
    home = smol.language_folder()
    language = LlamaForCausalLM.from_pretrained(home, dtype=torch.bfloat16)
    language.to(device)  # pyright: ignore[reportArgumentType]
    tokenizer = AutoTokenizer.from_pretrained(home)
    embeddings = language.model.embed_tokens.weight.detach()
    eyes = new_eyes(language.config).to(device)
    words.train(eyes, embeddings, tokenizer, size.word_steps, folder / "words", workers)
    replay = own_texts(language, tokenizer, size.own_texts, folder / "own_texts.pt")
    adapter = adapt(language.model)
    learner = joint.Learner(eyes, language.model, smol.IMAGE_TOKEN_ID)
    writer = Writer(tokenizer, smol.IMAGE_TOKEN)
    asked = validation_batches(writer)

    def saved() -> dict[str, float]:
        save(eyes, adapter, file)
        return shares_right(learner, asked)

    joint.train(learner, adapter, writer, replay, size, folder / "joint", workers, saved)


if __name__ == "__main__":
    main()
