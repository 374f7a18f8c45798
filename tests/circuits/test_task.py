"""Cases, readouts, effects, selection and artifacts."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.circuits.conftest import conflict, tiny_items
from trimtab.circuits import (
    HeadScores,
    HeadSet,
    TaskConfig,
    agreeing_context,
    answer_tokens,
    build_cases,
    how_many,
    jaccard,
    layer_matched_heads,
    load_heads,
    norm_matched_heads,
    random_heads,
    shuffled,
    stability,
    top_heads,
    two_way_effect,
    window,
)
from trimtab.circuits.interventions import choose_strength
from trimtab.engine import generate
from trimtab.errors import ArtifactError, DataError, UsageError
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.testing import picture, tiny_model


def test_each_item_is_asked_under_both_instructions(model, cases):
    assert [c.target for c in cases] == ["image", "text"] * 3
    for image, text in zip(cases[::2], cases[1::2], strict=True):
        assert image.item is text.item
        assert image.following == text.competing
        assert image.competing == text.following
        named = model.tokenizer.decode(text.prompt.ids[text.prompt.span("instruction")])
        assert named.strip() == INSTRUCTIONS["text"]
    assert len(cases.of("text")) == 3


def test_first_tokens_hold_every_form_and_no_token_of_both(model):
    item = replace(tiny_items()[0], aliases_image=("red",), answer_text="dog", aliases_text=("one",))
    tokens = answer_tokens(model, item)
    red, one = ({model.tokenizer(lead + word)["input_ids"][0] for lead in ("", " ")} for word in ("red", "one"))
    assert red <= set(tokens["image"].following) | {model.tokenizer(" ")["input_ids"][0]}
    assert not one & (set(tokens["image"].following) | set(tokens["text"].following))
    assert tokens["image"].following == tokens["text"].competing


def test_items_that_the_first_token_cannot_tell_apart_are_counted(model):
    same = conflict("same", picture(4), "What?", "Red cats.", ("red ball", "red cat"))
    cases = build_cases(model, [*tiny_items(), same])
    assert len(cases) == 6
    assert [s.row for s in cases.skipped] == [4]
    assert "begin with different tokens" in cases.skipped[0].reason
    with pytest.raises(UsageError, match="at least one item that can be asked; none of 1"):
        build_cases(model, [same])
    with pytest.raises(DataError, match="one token"):
        answer_tokens(model, same, "single")
    letters = conflict("letters", picture(4), "Which?", "It is B.", ("A", "B"))
    single = build_cases(model, [letters, same], TaskConfig(answer_tokens="single"))
    assert [case.item for case in single] == [letters, letters]
    assert [s.row for s in single.skipped] == [2]


def test_a_task_that_cannot_be_is_refused():
    with pytest.raises(UsageError, match="`instructions`"):
        TaskConfig({"image": "Look."})
    with pytest.raises(UsageError, match="`answer_tokens`"):
        TaskConfig(answer_tokens="any")  # pyright: ignore[reportArgumentType]


margins = st.floats(-20, 20)


@given(margins, margins)
@settings(deadline=None)
def test_the_effect_has_the_sign_of_the_change_and_is_zero_without_one(before, after):
    effect = float(two_way_effect(torch.tensor(before), torch.tensor(after)))
    p, q = (torch.tensor(m, dtype=torch.float64).sigmoid().clamp(1e-6, 1 - 1e-6) for m in (before, after))
    assert effect * float(q - p) >= 0
    assert float(two_way_effect(torch.tensor(before), torch.tensor(before))) == 0
    further = float(two_way_effect(torch.tensor(before), torch.tensor(after + (after - before))))
    assert abs(further) >= abs(effect) - 1e-9


def test_windows_are_centred_and_cut_off_at_the_ends():
    assert window(3, 3, 6) == (2, 3, 4)
    assert window(0, 3, 6) == (0, 1)
    assert window(5, 4, 6) == (4, 5)
    assert window(2, 1, 6) == (2,)


def scores(values: torch.Tensor) -> HeadScores:
    numbers = range(len(values))
    targets: Any = tuple(("image", "text")[i % 2] for i in numbers)
    return HeadScores("direct", values, targets, tuple(f"{i // 2}" for i in numbers))


def test_roles_and_the_mean_over_both_instructions():
    values = torch.zeros(2, 1, 4, dtype=torch.float64)
    values[0, 0], values[1, 0] = torch.tensor([2.0, 3.0, -1.0, -1.0]), torch.tensor([1.0, -2.0, 2.0, -1.0])
    found = scores(values)
    assert [found.role((0, h)) for h in range(4)] == ["router", "image", "text", "against"]
    assert found.mean().tolist() == [[1.5, 0.5, 0.5, -1.0]]
    assert found.mean("text").tolist() == [[1.0, -2.0, 2.0, -1.0]]
    with pytest.raises(UsageError, match="names the text"):
        HeadScores("direct", values[:1], ("image",), ("0",)).mean()


def test_selection_is_best_first_and_controls_avoid_it():
    values = torch.tensor([[0.1, 0.9], [0.5, 0.2], [0.3, 0.7]])
    chosen = top_heads(values, 2)
    assert chosen == ((0, 1), (2, 1))
    everything = [(layer, head) for layer in range(3) for head in range(2)]
    assert not set(random_heads(everything, chosen, 0)) & set(chosen)
    assert sorted(layer for layer, _ in layer_matched_heads(everything, chosen, 0)) == [0, 2]
    assert norm_matched_heads(torch.tensor([[1.0, 5.0], [4.9, 2.0], [2.1, 2.0]]), chosen) == ((1, 0), (1, 1))
    assert jaccard(chosen, chosen) == 1.0
    assert how_many(784) == 39
    assert how_many(4) == 1
    assert [how_many(96), how_many(270)] == [5, 13]  # 4.8 and 13.5
    assert [how_many(96, share) for share in (0.01, 0.02, 0.1, 0.2, 1)] == [1, 2, 10, 19, 96]
    with pytest.raises(UsageError, match="`share`"):
        how_many(10, 0.0)


def test_stability_tells_a_signal_from_noise():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, 6, 8, generator=generator, dtype=torch.float64)
    signal = noise * 0.1 + torch.arange(48.0, dtype=torch.float64).view(6, 8)
    clear, unclear = stability(scores(signal), 4), stability(scores(noise), 4)
    assert clear.jaccard == 1.0
    assert clear.spearman > 0.95
    assert unclear.jaccard < 0.5
    assert abs(unclear.spearman) < 0.4
    mixed = shuffled(scores(signal), 0)
    assert float(mixed.mean().abs().max()) < float(scores(signal).mean().abs().max())
    with pytest.raises(UsageError, match="at least 2 items"):
        stability(scores(noise[:2]), 1)


def test_a_patching_score_has_no_role_and_does_not_know_labels():
    values = torch.arange(8.0, dtype=torch.float64).view(2, 2, 2) - 3
    found = replace(scores(values), name="patching")
    assert {found.role((layer, head)) for layer in range(2) for head in range(2)} == {""}
    assert torch.equal(shuffled(found, 0).values, values)


def test_agreeing_contexts_replace_whole_words_only():
    item = replace(tiny_items()[2], context="Red paint dries on the reddish wall.", answer_text="red")
    assert agreeing_context(item) == "sofa paint dries on the reddish wall."
    assert agreeing_context(replace(item, context="No colours here.")) is None


def test_the_weakest_of_equally_good_strengths_is_chosen():
    rows = [("x1", True, False), ("x2", True, False), ("x3", True, True)]
    table = [{"condition": c, "measure": "image", "correct": k, "collapsed": b} for c, k, b in rows]
    assert choose_strength(table, {"x3": 2.0, "x2": 1.0, "x1": 0.0}) == "x1"


def test_a_head_set_is_saved_whole_and_fits_its_model_only(model, tmp_path):
    from trimtab.circuits import mean_outputs, parts_of

    heads = ((0, 1), (2, 3), (2, 0))
    cases = build_cases(model, tiny_items())
    outputs = torch.stack([mean_outputs(model, cases, part) for part in parts_of("instruction+last")])
    values = torch.stack([outputs[:, layer, head] for layer, head in heads], 1)
    for number, own in enumerate(
        (
            HeadSet.of(model, "text", heads, strength=0.5, scope="last", metrics={"items": 3}),
            HeadSet.of(model, "image", heads, strength=-1.0, reference="mean", values=values),
        )
    ):
        folder = own.save(tmp_path / str(number))
        assert sorted(p.name for p in folder.iterdir()) == ["README.md", "config.json", "weights.safetensors"]
        loaded = load_heads(folder, model)
        rows, again = own.rows(model, tiny_items()), loaded.rows(model, tiny_items())
        assert generate(model, rows, max_new_tokens=3).tokens == generate(model, again, max_new_tokens=3).tokens
        assert loaded.heads == own.heads
        with pytest.raises(ArtifactError, match="must be the one it was fitted on"):
            load_heads(folder, tiny_model(model.family.name, seed=7))
        broken = json.loads((folder / "config.json").read_text()) | {"scope": "nowhere"}
        (folder / "config.json").write_text(json.dumps(broken))
        with pytest.raises(ArtifactError, match="`scope`"):
            load_heads(folder, model)


def test_a_head_set_applies_to_a_block_and_strength_zero_is_the_model_itself(model):
    own, item = HeadSet.of(model, "image", ((1, 2),), strength=-1.0, scope="last"), tiny_items()[0]
    row = own.row(build_prompt(item))
    plain = generate(model, [row.prompt], max_new_tokens=3).tokens
    with own.applied(model) as receipt:
        inside = generate(model, [row.prompt], max_new_tokens=3).tokens
    assert inside == generate(model, [row], max_new_tokens=3).tokens
    assert receipt.positions > 0
    assert own.edits(0.0) == ()
    assert generate(model, [own.row(build_prompt(item), 0.0).prompt], max_new_tokens=3).tokens != [] != plain
    with pytest.raises(UsageError, match="must be -1 or 0"):
        replace(own, reference="mean", values=torch.zeros(1, 1, model.head_dim)).edits(1.0)


def build_prompt(item):
    from trimtab.items.prompts import prompt_for

    return prompt_for(item)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": ()}, "`heads`"),
        ({"heads": ((0, 0), (0, 0))}, "`heads`"),
        ({"scope": "first"}, "`scope`"),
        ({"target": "sound"}, "`target`"),
        ({"reference": "mean"}, "`values`"),
        ({"reference": "mean", "values": torch.zeros(1, 1, 4)}, "2 parts"),
    ],
)
def test_a_head_set_that_cannot_be_is_refused(options, message):
    given = {"target": "image", "heads": ((0, 0),), "model_name": "m", "model_fingerprint": "f"} | options
    with pytest.raises(UsageError, match=message):
        HeadSet(**given)
