"""Uses the made-up modality in every job that has a word for modalities; prints what was found as JSON."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false
# The made-up modality is known to the trimtab that this runs on, not to the one that type checkers read.

import json
import sys
from pathlib import Path

import torch

import trimtab as tt
from trimtab.contribution import Ablation
from trimtab.contribution.spoiling import spoilt
from trimtab.engine import BlockAttention, Prompt, Row, encode, run
from trimtab.items import read_items, write_items
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.media import Sound, medium_kind
from trimtab.modalities import FACTS, MODALITIES
from trimtab.models import MediaInput, from_parts
from trimtab.report.style import MODALITY_COLOURS
from trimtab.steering import make_method
from trimtab.testing import tiny_trio
from trimtab.testing.trio.family import TinyTrio
from trimtab.testing.trio.tiny import TEMPLATE


class Feeling(TinyTrio):
    """Feels with what the model of three modalities hears with."""

    name = "feeling"
    marks = {"touch": "<audio>"}

    def placeholders(self, hf):
        return {"touch": hf.config.audio_token_id}

    def show_touch(self, hf, processor, touch, key):
        heard = self.show_audio(hf, processor, Sound(touch.pressures, processor.rate), key)
        return MediaInput("touch", heard.tensors, heard.n_tokens, key)

    def encode(self, hf, kind, given):
        return super().encode(hf, "audio", given)


def feeling():
    made = tiny_trio(layers=2, check=False)
    template = TEMPLATE.replace("'audio'", "'touch'")
    return from_parts(
        made.hf, made.tokenizer, {"touch": made.processors["audio"]}, template, name="feeling", family=Feeling()
    )


def main(folder: Path) -> None:
    model = feeling()  # the self-check shows it the medium's example
    pressures = [round(place % 7 / 7 - 0.5, 3) for place in range(40)]
    item = tt.Item("1", "feel", "What is it?", touch=pressures, context="a dog", answer_touch="one", answer_text="two")
    [again] = read_items(write_items([item], folder / "items.jsonl"), images=folder)
    assert again.touch.open().pressures.tolist() == item.touch.open().pressures.tolist()

    prompt = prompt_for(again, instruction=instruction_for("touch", again.modalities))
    encoded = encode(model, prompt)
    logits = run(model, [Row(prompt), Row(prompt, (BlockAttention(("touch",), ("last",), (0, 1)),))]).logits
    spoiled = [spoilt(prompt, "touch", kind, "1") for kind in medium_kind("touch").spoil]
    moved = run(model, [Row(each) for each in spoiled]).logits
    [found] = tt.measure(model, [again], method=Ablation())
    artifact = make_method("few_shot", {"target": "touch", "shots": 1}).fit(model, [again])
    sys.stdout.write(
        json.dumps(
            {
                "modalities": MODALITIES,
                "instruction": prompt.instruction,
                "span": len(encoded.spans["touch"]),
                "first": int(encoded.spans["touch"][0]),
                "blocked": not torch.equal(logits[0], logits[1]),
                "spoilt": [not torch.equal(row, logits[0]) for row in moved],
                "shares": found.shares,
                "example": artifact.asks(model, [Prompt("What is it?")])[0].prompt.instruction,
                "colour": MODALITY_COLOURS["touch"],
                "piece": FACTS["touch"].piece,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
