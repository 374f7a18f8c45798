"""What smol-llava would be with less of its language model's change: `python -m training.smol.scaled`."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaForCausalLM

import trimtab
from training.batch import Reader
from training.measure import by_task
from training.prompts import conflict, example, joint
from training.smol.itself import itself
from training.tables import row
from trimtab import smol
from trimtab.pocket import items

SCALES = (1.0, 0.9, 0.8, 0.7)
_COLUMNS = ["perplexity", "questions", "image only", "text only", "irrelevant text", "both needed", "image", "text"]
"""The last two are what conflicts are answered from."""


class Changed(NamedTuple):
    """A weight that training changed."""

    weight: nn.Parameter
    before: Tensor
    after: Tensor


def changes(language: nn.Module, trained: nn.Module) -> list[Changed]:
    """Pair the weights of a language model with those that differ after training; both are of one shape and type."""
    after = {name.replace("model.language_model.", "model."): weight for name, weight in trained.named_parameters()}
    found = []
    for name, weight in language.named_parameters():
        if not torch.equal(weight, after[name]):
            found.append(Changed(after[name], weight.detach(), after[name].detach().clone()))
    return found


@torch.no_grad()
def scale(found: Iterable[Changed], share: float) -> None:
    """Keep a share of each change: 0 is the language model as it was, 1 as it was trained."""
    for weight, before, after in found:
        weight.copy_(torch.lerp(before, after, share))


def able(reader: Reader, n: int) -> list[object]:
    """Shares right on the first validation items: image, text, irrelevant text, both; then what conflicts follow."""
    sample, rng = items("validation")[:n], random.Random("scaled")
    shares = [
        *(by_task(reader, sample, lambda item, c=c: example(item, c, rng)) for c in ("image", "text", "irrelevant")),
        by_task(reader, items("validation", kind="both")[:n], lambda item: joint(item, item.scene)),
        by_task(reader, sample, lambda item: conflict(item, item.answer_image)),
        by_task(reader, sample, lambda item: conflict(item, item.answer_text)),
    ]
    return [own["all"] for own in shares]


def main() -> None:
    """Measure the model at each size of the change and print a table."""
    parser = argparse.ArgumentParser(prog="python -m training.smol.scaled", description=__doc__)
    parser.add_argument("--n", type=int, default=96, help="validation items of each kind")
    args = parser.parse_args()
    home = smol.language_folder()
    tokenizer = AutoTokenizer.from_pretrained(home)
    model = trimtab.load("smol-llava", dtype="float32", device="cpu")
    found = changes(LlamaForCausalLM.from_pretrained(home, dtype=torch.float32), model.hf)
    reader = Reader(model.hf.eval(), model.tokenizer)  # pyright: ignore[reportArgumentType]
    print(row("change kept", [*_COLUMNS]) + "\n" + "|---" * 9 + "|", flush=True)
    for share in SCALES:
        scale(found, share)
        own = itself(model.hf, tokenizer)
        print(row(f"{share:g}", [f"{own.perplexity:.2f}", own.answered, *able(reader, args.n)]), flush=True)


if __name__ == "__main__":
    main()
