"""Three modalities that answer differently: the tools find the planted path of each, and leave the others alone."""

from typing import Any

import pytest
import torch

from trimtab.circuits import (
    EDGES,
    Cases,
    Condition,
    Edge,
    HeadSet,
    TaskConfig,
    build_cases,
    decompose,
    edges_among,
    head_scores,
    knockout,
    lens,
    load_heads,
    read_out,
    top_heads,
    try_conditions,
)
from trimtab.circuits.flow import ANCHOR
from trimtab.circuits.selection import shuffled
from trimtab.errors import UsageError
from trimtab.items import Item
from trimtab.items.prompts import instruction_for
from trimtab.modalities import PAIR, Modality
from trimtab.models import Model
from trimtab.testing import planted_trio_circuit, tiny_trio
from trimtab.testing.planted_circuit import (
    COLOURS,
    CONTEXT,
    PREFERENCE_HEAD,
    QUESTION,
    ROUTING_HEAD,
    TRANSFER_LAYER,
    colour_picture,
)
from trimtab.testing.trio import TRANSFER_HEADS, TRIO_INSTRUCTIONS, colour_sound

TASK = TaskConfig(TRIO_INSTRUCTIONS)
TRIO: tuple[Modality, ...] = ("image", "text", "audio")
CUES: dict[Modality, str] = {"image": "image", "text": "context", "audio": "audio"}


@pytest.fixture(scope="module")
def planted() -> Model:
    return planted_trio_circuit()


def items(n: int = 6) -> list[Item]:
    return [item_of(*(COLOURS[(k + shift) % len(COLOURS)] for shift in (0, 1, 3))) for k in range(n)]


def item_of(seen: str, told: str, heard: str) -> Item:
    return Item(
        f"{seen} {told} {heard}",
        "color",
        QUESTION,
        context=CONTEXT.format(told),
        image=colour_picture(seen),
        audio=colour_sound(heard),
        answer_image=seen,
        answer_text=told,
        answer_audio=heard,
    )


@pytest.fixture(scope="module")
def cases(planted: Model) -> Cases:
    return build_cases(planted, items(), TASK)


def test_an_item_is_asked_under_the_instruction_for_each_modality(planted, cases):
    assert [case.target for case in cases] == [*TRIO] * 6
    for case in cases:
        [right] = {planted.tokenizer.decode([token]).strip() for token in case.following}
        assert right == case.item.answer_of(case.target)
        rest = {planted.tokenizer.decode([token]).strip() for token in case.competing}
        assert rest == {case.item.answer_of(m) for m in TRIO if m != case.target}
    assert float(read_out(planted, cases).rate()) == 1.0


def test_left_out_instructions_name_the_items_own_modalities(planted):
    trio, sound_and_text = TaskConfig().instruction("audio", TRIO), TaskConfig().instruction("audio", ("text", "audio"))
    assert trio == instruction_for("audio", TRIO)
    assert "image content" in trio
    assert "image content" not in sound_and_text
    with pytest.raises(UsageError, match="none for audio"):
        build_cases(planted, items(1), TaskConfig({m: TRIO_INSTRUCTIONS[m] for m in PAIR}))


def test_edges_of_the_pair_are_the_papers_and_a_third_modality_adds_its_own():
    more = edges_among(TRIO)
    assert {edge.name for edge in EDGES} < {edge.name for edge in more}
    assert {edge.name for edge in more} - {edge.name for edge in EDGES} == {
        "audio to instruction",
        "audio to context",
        "audio to last",
        "audio to ending",
        "random for audio to instruction",
    }


def test_knockouts_find_the_planted_path_of_each_modality(planted, cases):
    edges = [edge for edge in edges_among(TRIO) if edge.target in (ANCHOR, ("last",)) and edge.control is None]
    table: Any = knockout(planted, cases, [e for e in edges if e.source != ANCHOR[:1]], size=1)
    curves = table.groupby(["edge", "target", "layer"])["effect"].mean()
    for cut in TRIO:
        for target in TRIO:
            effect = curves[f"{CUES[cut]} to instruction", target]
            if cut == target:
                assert int(effect.abs().idxmax()) == TRANSFER_LAYER
                assert effect[TRANSFER_LAYER] < -0.3
            else:
                assert effect[TRANSFER_LAYER] > -0.05  # a competitor less does following no harm
            assert effect.drop(TRANSFER_LAYER).abs().max() < 1e-4
            assert curves[f"{CUES[cut]} to last", target].abs().max() < 1e-4


def test_the_default_edges_are_those_of_the_items_modalities(planted, cases):
    found = set(knockout(planted, cases[:3])["edge"])
    assert "audio to instruction" in found
    assert "image to last" in found
    assert "random for audio to instruction" in found


@pytest.mark.parametrize("score", ["direct", "gradient", "causal", "patching"])
def test_the_routing_head_leads_every_score(planted, cases, score):
    scores = head_scores(planted, cases, score)
    assert top_heads(scores.mean(), 1) == (ROUTING_HEAD,)
    assert scores.modalities == TRIO
    if score == "direct":
        assert scores.role(ROUTING_HEAD) == "router"
        assert scores.role(PREFERENCE_HEAD) == "text"
        torch.testing.assert_close(decompose(planted, cases).total, read_out(planted, cases).margins[:, 0])


def test_patching_wants_every_instruction_of_an_item(planted, cases):
    with pytest.raises(UsageError, match="all instructions of each item"):
        head_scores(planted, cases[:5], "patching")


def test_labels_of_three_cannot_be_mirrored(planted, cases):
    with pytest.raises(UsageError, match="`scores` of shuffled must be of two modalities"):
        shuffled(head_scores(planted, cases, "direct"), 0)


def test_blocking_a_modalitys_head_takes_its_answers_and_no_others(planted, tmp_path):
    head_set = HeadSet.of(planted, "audio", [TRANSFER_HEADS["audio"]], strength=-1, scope="all", instruction=None)
    again = load_heads(head_set.save(tmp_path / "heads"), planted)
    assert (again.target, again.heads) == ("audio", (TRANSFER_HEADS["audio"],))
    table: Any = try_conditions(planted, items(3), [Condition("blocked", head_set)], TASK, max_new_tokens=2)
    right = table.groupby("measure")["correct"].mean()
    assert right["audio"] == 0.0
    assert right["image"] == right["text"] == 1.0
    assert {f"{modality} only" for modality in TRIO} <= set(right.index)


def test_the_lens_reads_three_modalities_off_every_layer(planted, cases):
    table: Any = lens(planted, cases)
    assert set(table["target"]) == set(TRIO)
    last = table.query("span == 'last'").groupby("layer")["agrees"].mean()
    assert last.iloc[-1] == 1.0


def test_random_models_of_three_modalities_take_every_edge():
    model = tiny_trio()
    answers = {"answer_image": "one", "answer_text": "cat", "answer_audio": "dog"}
    found = build_cases(model, [items(1)[0].replace(**answers)])
    assert [case.target for case in found] == [*TRIO]
    table = knockout(model, found, [Edge("audio to last", ("audio",), ("last",))])
    assert len(table) == 3 * model.n_layers
