"""Which wording makes a model follow the modality that it names, beyond what it prefers untold.

    python benchmarks/smol/wording.py --model smol-llava --items 96 --out runs/wording

Asks conflict items of the validation split with no instruction, and under each wording once toward the image and once
toward the text. The table gives the share that follows the named modality; how many points that is above the share that
follows it untold, paired over items; and the *shift*: how much more often the image is followed when it is named than
when the text is, which is 0 for a model that does not tell the two instructions apart. Sentences that name neither are
controls: what they change, any sentence in that place changes, and their shift is 0. Examples, where a wording has
some, are conflicts of the training split, resolved as told. Answers are kept, so a run can be resumed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import trimtab as tt
from trimtab.engine import Encoded, Placement, encode, generate
from trimtab.items import Item, judge
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.modalities import PAIR, Modality
from trimtab.pocket import instructions_for
from trimtab.steering import FewShot
from trimtab.studies import choose_items
from trimtab.studies.kit.statistics import PairedDifference, paired_difference, wilson

LONGEST, ROWS = 8, 16
UNTOLD = "no instruction"
SENTENCES = {
    "if not agree": 0,
    "when conflict": 1,
}
"""The benchmark's validation instructions, by number."""

PLAIN = {
    "only": "Respond to the question based only on the {own}.",
    "trust": "If the {own} and the {other} disagree, trust the {own}.",
    "answer from": "Answer from the {own}.",
    "is right": "Where the {other} says something else, the {own} is right.",
    "is wrong": "The {other} is wrong. The {own} is right.",
    "ignore": "Ignore the {other}. Use only the {own}.",
    "according to": "According to the {own}:",
    "about": "This question is about the {own}, not about the {other}.",
    "in the": "In the {own}, not in the {other}.",
}
NEITHER = {
    "carefully": "Read the question with care, think about what it asks, and then reply with one short answer.",
    "what is given": "Respond to the question based only on what is given.",
    "decide": "If what is given does not agree, decide which part of it to trust.",
}
"""Sentences that name no modality: what they change, any sentence changes."""
NAMES = {"image": "image", "text": "text context"}

Write = Callable[[Modality], str]


@dataclass(frozen=True)
class Wording:
    """An instruction for each modality, and where it stands: before or after the question or in a system turn.

    Or it is no instruction but opens the question itself, which then is about one of the two.
    """

    write: Write
    place: str

    def ask(self, model: tt.Model, item: Item, target: Modality) -> Encoded:
        """Encode an item under the instruction for a modality."""
        if self.place == "question":
            opened = f"{self.write(target)} {item.question[0].lower()}{item.question[1:]}"
            return encode(model, replace(prompt_for(item), question=opened))
        if self.place != "system":
            placement: Placement = "after_question" if self.place == "after" else "before_question"
            return encode(model, prompt_for(item, instruction=self.write(target), placement=placement))
        return with_system(model, encode(model, prompt_for(item)), self.write(target))


def with_system(model: tt.Model, prompt: Encoded, sentence: str) -> Encoded:
    """Put a system turn before a prompt, as SmolLM2's own template writes it."""
    turn = f"<|im_start|>system\n{sentence}<|im_end|>\n"
    ids = torch.tensor(model.tokenizer(turn, add_special_tokens=False)["input_ids"], device=prompt.ids.device)
    positions = torch.arange(len(ids) + len(prompt), device=ids.device).expand(len(prompt.positions), -1)
    spans = {name: places + len(ids) for name, places in prompt.spans.items()}
    return replace(prompt, ids=torch.cat([ids, prompt.ids]), positions=positions, spans=spans)


def wordings(model: tt.Model, train: Sequence[Item]) -> dict[str, Wording]:
    """List what is tried, by name."""
    found = {f"MC2's, {place}": Wording(instruction_for, place) for place in ("before", "after", "system")}
    for name, number in SENTENCES.items():
        for place in ("before", "after"):
            found[f"{name}, {place}"] = Wording(
                lambda target, n=number: instructions_for(target, "validation")[n], place
            )
    for name, pattern in PLAIN.items():
        for place in ("before", "after"):
            found[f"{name}, {place}"] = Wording(lambda target, p=pattern: filled(p, target), place)
    for name, sentence in NEITHER.items():
        for place in ("before", "after"):
            found[f"neither: {name}, {place}"] = Wording(lambda _target, s=sentence: s, place)
    found["within the question"] = Wording({"image": "In the picture,", "text": "In the text,"}.__getitem__, "question")
    for shots in (2, 4):
        told = {target: examples(model, train, shots, target) for target in PAIR}
        found[f"{shots} examples, before"] = Wording(told.__getitem__, "before")
    return found


def filled(pattern: str, target: Modality) -> str:
    """Write a sentence about a modality to follow."""
    (other,) = [name for name in PAIR if name != target]
    return pattern.format(own=NAMES[target], other=NAMES[other])


def examples(model: tt.Model, train: Sequence[Item], shots: int, target: Modality) -> str:
    """MC2's instruction with conflicts resolved as told, each with what its picture shows in words."""
    told = FewShot(target, shots=shots).fit(model, train).instruction
    if told is None:
        raise AssertionError("few-shot prompting always has an instruction")
    return told


def answered(model: tt.Model, items: Sequence[Item], tried: dict[str, Wording], file: Path) -> list[dict[str, str]]:
    """Ask what the file does not yet hold: an item under all wordings at once, so that its picture is read once."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["id"], row["wording"]) for row in rows}
    for item in items:
        asks: list[tuple[str, str, Encoded]] = []
        if (item.id, UNTOLD) not in done:
            asks.append((UNTOLD, "", encode(model, prompt_for(item))))
        for name, wording in tried.items():
            if (item.id, name) not in done:
                asks += [(name, target, wording.ask(model, item, target)) for target in PAIR]
        if asks:
            texts = generate(model, [prompt for *_, prompt in asks], max_new_tokens=LONGEST, batch_size=ROWS).texts
            new = [
                {"id": item.id, "wording": name, "target": target, "label": judge(text, item).label, "answer": text}
                for (name, target, _), text in zip(asks, texts, strict=True)
            ]
            with file.open("a") as out:
                out.writelines(json.dumps(row) + "\n" for row in new)
            rows += new
    return rows


def table(rows: Sequence[dict[str, str]], ids: Sequence[str]) -> list[str]:
    """Return the lines of the table, sorted by the lower end of the shift's interval."""
    label = {(row["wording"], row["target"], row["id"]): row["label"] for row in rows}
    names = [
        name
        for name in dict.fromkeys(row["wording"] for row in rows)
        if all((name, "text", one) in label for one in ids)
    ]
    untold = {m: [label[UNTOLD, "", one] == m for one in ids] for m in PAIR}
    lines = [
        f"| wording ({len(ids)} items) | told image: follows it | more than untold | told text: follows it "
        "| more than untold | shift | other |",
        "|---|---|---|---|---|---|---|",
        f"| {UNTOLD} | {share(untold['image'])} | | {share(untold['text'])} | | | |",
    ]
    found: list[tuple[float, str]] = []
    for name in names:
        told = {(t, m): [label[name, t, one] == m for one in ids] for t in PAIR for m in PAIR}
        other = sum(label[name, t, one] == "other" for t in PAIR for one in ids) / (2 * len(ids))
        cells = []
        for target in PAIR:
            own = told[target, target]
            cells += [share(own), points(paired_difference(own, untold[target]))]
        shift = paired_difference(told["image", "image"], told["text", "image"])
        found.append((shift.low, f"| {name} | {' | '.join(cells)} | {points(shift)} | {100 * other:.0f} |"))
    return lines + [line for _, line in sorted(found, key=lambda pair: -pair[0])]


def share(hits: Sequence[bool]) -> str:
    """Write a share in percent, with its 95 % Wilson interval."""
    rate = wilson(sum(hits), len(hits))
    return f"{100 * rate.value:.0f} ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def points(found: PairedDifference) -> str:
    """Write a difference in points, with its 95 % interval."""
    return f"{100 * found.difference:+.0f} ({100 * found.low:+.0f} to {100 * found.high:+.0f})"


def main() -> None:
    """Ask, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smol-llava")
    parser.add_argument("--items", type=int, default=96)
    parser.add_argument("--wording", action="append", help="try only this one; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="chooses the items")
    parser.add_argument("--out", type=Path, default=Path("runs/wording"))
    args = parser.parse_args()
    model = tt.load(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    items = choose_items(tt.read_items("pocket-mc2:validation"), args.items, seed=args.seed)
    tried = wordings(model, choose_items(tt.read_items("pocket-mc2:train"), 32, seed=0))
    if args.wording:
        tried = {name: tried[name] for name in args.wording}
    rows = answered(model, items, tried, args.out / f"{args.model}-{args.seed}.jsonl")
    print("\n".join(table(rows, [item.id for item in items])))


if __name__ == "__main__":
    main()
