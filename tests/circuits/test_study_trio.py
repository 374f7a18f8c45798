"""The whole study where other modalities than image and text disagree: it finds the planted path of each."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.circuits.test_study import PLAN, explain
from trimtab.circuits import load_heads
from trimtab.errors import UsageError
from trimtab.items import Evidence, Item
from trimtab.modalities import Modality, others, place_of
from trimtab.models import Model
from trimtab.report import write_report
from trimtab.studies import read_summary
from trimtab.studies.circuits import answer_claims
from trimtab.testing import planted_trio_circuit
from trimtab.testing.planted_circuit import (
    COLOURS,
    CONTEXT,
    LAYERS,
    QUESTION,
    ROUTING_HEAD,
    TRANSFER_LAYER,
    colour_picture,
)
from trimtab.testing.trio import TRANSFER_HEADS, TRIO_INSTRUCTIONS, colour_sound

SETS: list[tuple[Modality, ...]] = [("image", "text", "audio"), ("text", "audio"), ("image", "audio")]
SAY: dict[Modality, Callable[[str], object]] = {
    "image": colour_picture,
    "text": lambda colour: CONTEXT.format(colour),
    "audio": colour_sound,
}
"""How a modality says a colour."""


def items(among: tuple[Modality, ...]) -> list[Item]:
    """Items whose modalities say different colours, each item with a picture and a sound of its own."""
    found = []
    for k in range(len(COLOURS)):
        said: dict[Modality, str] = {
            kind: COLOURS[(k + shift) % len(COLOURS)] for kind, shift in zip(among, (0, 1, 3), strict=False)
        }
        evidence: dict[Modality, Evidence] = {
            kind: Evidence(SAY[kind](colour), colour) for kind, colour in said.items()
        }
        found.append(Item(f"{k}", "color", QUESTION, evidence=evidence))
    return found


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_trio_circuit()


@pytest.fixture(scope="module", params=SETS, ids="-".join)
def run(request: pytest.FixtureRequest, model: Model, tmp_path_factory: pytest.TempPathFactory):
    """A finished run with the modalities of its items."""
    plan = replace(PLAN, instructions=TRIO_INSTRUCTIONS)
    return explain(plan, tmp_path_factory.mktemp("study") / "run", model, items(request.param)), request.param


def test_the_path_of_each_modality_is_found(run):
    folder, among = run
    summary = read_summary(folder)
    assert [(row["target"], row["following"]) for row in summary["baseline"]] == [(m, 1.0) for m in among]
    curves = {(r["edge"], r["target"], r["layer"]): r["effect"] for r in summary["flow"]}
    for cut in among:
        for named in among:
            effect = [curves[f"{place_of(cut)} to instruction", named, layer] for layer in range(LAYERS)]
            if cut == named:
                assert effect.index(min(effect)) == TRANSFER_LAYER
                assert effect[TRANSFER_LAYER] < -0.3
            else:
                assert min(effect) > -0.05  # a competitor less does following no harm
            assert all(abs(curves[f"{place_of(cut)} to last", named, layer]) < 1e-4 for layer in range(LAYERS))


def test_the_heads_of_all_and_of_each_are_found(run, model):
    folder, among = run
    summary = read_summary(folder)
    assert summary["choice"]["heads"] == [list(ROUTING_HEAD)]
    assert summary["choice"]["roles"] == ["router"]
    causal = {(r["layer"], r["head"]): r for r in summary["heads"] if r["score"] == "causal"}
    for named in among:
        own = {head: row[named] for head, row in causal.items() if head[0] == TRANSFER_LAYER}
        assert max(own, key=lambda head: own[head]) == TRANSFER_HEADS[named]
        heads = load_heads(folder / "artifacts" / f"heads-{named}", model)
        assert (heads.target, heads.heads, heads.instruction) == (named, (ROUTING_HEAD,), TRIO_INSTRUCTIONS[named])
    assert summary["abilities"][: len(among)] == [f"{alone} only" for alone in among]
    rates = {(r["condition"], r["measure"]): r["rate"] for r in summary["rates"]}
    assert rates["intact", "following"] == 1.0
    assert rates["blocked", "following"] <= 1 / len(among)
    assert [row["target"] for row in summary["recovery"]] == [*among, "both" if len(among) == 2 else "all"]


def test_a_text_that_agrees_is_asked_where_it_stands_against_one_other(run):
    folder, among = run
    assert ("agreeing" in read_summary(folder)["abilities"]) == (among == ("text", "audio"))


def test_a_claim_of_what_is_shown_is_made_of_each(run):
    folder, among = run
    claims = answer_claims(read_summary(folder))
    direct = {claim.claim: claim for claim in claims if "direct path" in claim.claim}
    assert set(direct) == {f"There is no direct path from the {m} to the last token." for m in others("text", among)}
    for claim in direct.values():
        assert (claim.verdict, claim.needed) == ("too few items", 6)
        assert f"{claim.items} item" in claim.evidence


def test_the_page_speaks_of_the_modalities_of_the_items(run):
    folder, among = run
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"asks of {', '.join(among[:-1])} and {among[-1]}" in page
    assert "a sound that support different answers" in page
    assert all(f"<th>{named} named</th>" in page for named in among)
    assert ("from the picture alone" in page) == ("image" in among)
    assert "hearing." in page
    assert len(list((folder / "figures").glob("*.png"))) == 7


def test_items_that_differ_in_their_modalities_are_refused(model, tmp_path):
    mixed = [*items(("text", "audio")), items(("image", "audio"))[0].replace(id="odd")]
    with pytest.raises(UsageError, match="item odd has evidence of image and audio, item 0 of text and audio;"):
        explain(PLAN, tmp_path / "run", model, mixed)
    alone = [item.replace(relevant="audio", answer_text="", context="") for item in items(("text", "audio"))]
    with pytest.raises(UsageError, match="modalities, two or more, against each other; item 0 has evidence of audio;"):
        explain(PLAN, tmp_path / "run", model, alone)
    assert not (tmp_path / "run").exists()
