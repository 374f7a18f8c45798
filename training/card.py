"""Measure a bundled model and write its model card: `python -m training.card pocket-qwen`."""

from __future__ import annotations

import argparse
import json

import trimtab
from training.language import FINISH_STEPS, HEAR_STEPS, POLISH_STEPS
from training.measure import Shares, measure
from training.tables import following, row, rows, split_rows
from trimtab.pocket import TASKS, checkpoint

_FAMILIES = {
    "pocket-qwen": "Qwen2.5-VL (windowed vision tower, 2 key heads for 8 query heads, three-axis rotary positions)",
    "pocket-llava": "LLaVA-1.5 (CLIP tower, two-layer projector, Llama decoder)",
}

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [trimtab, pocket, modality-preference]
---

# {name}

A real but tiny vision-language model: the architecture of {family}, 12 decoder layers, 8 heads of
width 32, {parameters:.1f} million parameters. It comes with trimtab so that every measurement and
method runs on any machine without a download. `trimtab.load("{name}")` takes the same path as a 7B model.

## What it can do

All numbers: {n} test items of pocket-mc2 ({per_task} a task), greedy open answers, the exact answer and
then the end of the turn; percent with 95 % Wilson intervals. The stored weights are bfloat16; they were
measured as stored, in float32. Made by `{command}`.

| task | image only | text only | image, agreeing text | image, irrelevant text |
|---|---|---|---|---|
{accuracy}

### Conflicts: the image supports one answer, the text another

| task | answers from image | answers from text | other |
|---|---|---|---|
{preference}

### Conflicts under an instruction (MC2's wording, never trained on)

| instruction | answers from image | answers from text | other |
|---|---|---|---|
{following}

Following by task:

| task | told image, follows | told text, follows |
|---|---|---|
{following_by_task}

### Other forms

| what | right |
|---|---|
{others}

## Data

pocket-mc2: MC2's eight tasks with pictures composed from [OpenMoji](https://openmoji.org) (all emojis designed
by OpenMoji, CC BY-SA 4.0), and contexts composed from sentences. Train, validation and test share no context
sentence, no frame around a claim and no ordered pair of answers to a question; they share the question wordings, the
pictures' subjects and the hints ("a racket and a yellow felt ball"). Instructions of the test are MC2's own
sentences; training used others.

## Recipe

`python -m training {name} --runs DIR`, on two CPU cores:

1. the vision tower with two linear heads: what a scene shows, and what stands at each image token;
2. the whole model on image only, text only, image with irrelevant text, image with agreeing text, a tenth of them
   as two-option questions, with a few facts and questions that need both. No conflict at all. Loss on answers only.
   Two thirds of the sentences are random words around the phrase that matters (`training/carriers.py`): a first
   attempt on the benchmark's training sentences alone learned those by heart and read others half as well;
3. for {hear} steps, lower layers alone, to tell from an instruction which modality it names (an auxiliary head that
   is thrown away): without this, conflicts under an instruction stay at chance for well over a hundred steps;
4. with instructed conflicts, each asked once for either modality, until validation items with instructions in other
   words than the trained ones are followed about six times in ten;
5. all of it together for {polish} steps at a falling rate;
6. to answer with a letter: mostly questions with two to four options. An auxiliary head learns to tell the right
   option, and one attention head of layer 9 is rewarded for looking at it: without these, letters stay at chance
   for thousands of steps;
7. everything for {finish} steps at a falling rate, a third of it with options, and more of what is hard to see.

It never met a conflict without an instruction: which modality it then prefers was not taught.
{notes}
## What such a model can and cannot show

It can show that a method does what it says: edits land, following rates move, answers collapse when steered too
hard, and costs compare. Its heads and layers were trained, so "5 % of the heads" means something. It cannot tell
how strongly a method moves a large model, which layers matter there, or anything about photographs and free text:
its world has {objects} drawn things, 28 sports, 19 activities, 16 moods and a few hundred words.
"""


def render(name: str, parameters: int, results: dict[str, Shares], notes: str, command: str) -> str:
    """Fill in the card."""
    from trimtab.pocket.bank import OBJECT_PICTURES

    single = [key for key in results if key.startswith(("choice", "closed", "both", "classification"))]
    total = results["image"]["all"].n
    return _CARD.format(
        name=name,
        family=_FAMILIES[name],
        parameters=parameters / 1e6,
        n=total,
        per_task=total // len(TASKS),
        accuracy=rows(results, ["image", "text", "agreeing", "irrelevant"]),
        preference=split_rows(results, "prefers image", "prefers text"),
        following=following(results),
        following_by_task=rows(results, ["told image, answers image", "told text, answers text"]),
        others="\n".join(row(f"{key} (n = {results[key]['all'].n})", [results[key]["all"]]) for key in single),
        objects=len(OBJECT_PICTURES),
        notes=notes,
        command=command,
        hear=HEAR_STEPS,
        polish=POLISH_STEPS,
        finish=FINISH_STEPS[name],
    )


def main() -> None:
    """Measure one model and write its card beside its weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--n", type=int, help="measure only the first N test items")
    args = parser.parse_args()
    model = trimtab.load(args.name, dtype="float32", device="cpu")
    results = measure(model.hf, model.tokenizer, args.n)  # pyright: ignore[reportArgumentType]
    folder = checkpoint(args.name)
    parameters = sum(parameter.numel() for parameter in model.hf.parameters())
    command = f"python -m training.card {args.name}" + (f" --n {args.n}" if args.n else "")
    notes_file = folder / "training.md"
    notes = f"\n{notes_file.read_text()}\n" if notes_file.exists() else ""
    (folder / "README.md").write_text(render(args.name, parameters, results, notes, command))
    shares = {key: {task: [share.hits, share.n] for task, share in part.items()} for key, part in results.items()}
    print(json.dumps({key: part["all"] for key, part in shares.items()}, indent=1))


if __name__ == "__main__":
    main()
