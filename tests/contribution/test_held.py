"""Many items are measured in parts: the same contributions, and the pictures of one part in memory."""

import pytest

from trimtab.contribution import measure, measuring
from trimtab.engine import Capability
from trimtab.items import Item, MediaBytes
from trimtab.testing import picture
from trimtab.testing.fake_engine import FakeEngine


def items() -> list[Item]:
    shown = [picture(number, (28, 28)) for number in range(7)]
    made = [
        Item(f"i{n}", "color", "What?", context=f"A cat {n}.", answer_image="one", answer_text="two", image=own)
        for n, own in enumerate(shown)
    ]
    made[4] = made[4].replace(image=MediaBytes(b"no picture"))
    return made


def test_parts_change_nothing_and_hold_few_prompts(monkeypatch: pytest.MonkeyPatch):
    engine, scores, held = FakeEngine({Capability.LOGITS}), measuring._scores, []

    def counted(model, cases, *args):
        held.append(len(cases))
        return scores(model, cases, *args)

    monkeypatch.setattr(measuring, "_scores", counted)
    whole = measure(engine, items())
    monkeypatch.setattr(measuring, "HELD", 2)
    parts = measure(engine, items())
    assert held == [6, 2, 2, 1, 1]
    assert parts.rows() == whole.rows()
    assert parts.skipped == whole.skipped
    assert [skipped.row for skipped in parts.skipped] == [5]
