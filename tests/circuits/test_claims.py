"""Verdicts from summaries made by hand."""

import pytest

from trimtab.modalities import PAIR, Modality
from trimtab.studies.circuits import Claim, answer_claims
from trimtab.studies.circuits.claims import (
    abilities_kept,
    deep_arbitration,
    latent_agreement,
    no_direct_path,
    repair,
    semantic_inertia,
    shallow_transfer,
    sparse_heads,
)
from trimtab.studies.kit.statistics import unseen_share

TRIO: tuple[Modality, ...] = ("image", "text", "audio")
ITEMS = 20


def about(*modalities: str, **found: object) -> dict:
    """A summary of a study whose items set these modalities against each other; image and text, if none are given."""
    return {"baseline": [{"target": target} for target in modalities or PAIR], "model": {"layers": 11}, **found}


def mean(name: str, value: float, width: float | None = 0.1, n: int = ITEMS, **where: object) -> dict:
    """A row with a mean whose band is this wide to both sides, and whose p says what the band says."""
    low, high = (None, None) if width is None else (value - width, value + width)
    p = 1.0 if low is None or high is None or low <= 0 <= high else 0.01
    return {**where, "n": n, "items": n, name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_p": p}


def curve(edge: str, target: str, layers: dict[int, float], width: float | None = 0.1, n: int = ITEMS) -> list[dict]:
    """An edge's effects at some of eleven layers; at the others nothing, and surely."""
    return [
        mean("effect", layers.get(k, 0.0), width if k in layers else 0.001, n, edge=edge, target=target, layer=k)
        for k in range(11)
    ]


def flow(layers: dict[int, float], direct: dict[int, float], control: float | None = None, **of: int) -> dict:
    """A summary in which cutting a cue to the instruction, and the image to the last token, does so much at layers."""
    edges = {"image": "image to instruction", "text": "context to instruction"}
    cuts = [row for target, edge in edges.items() for row in curve(edge, target, layers, **of)]
    less = {layer: value - (control or 0.0) for layer, value in layers.items()}
    beyond = [row for target, edge in edges.items() for row in curve(edge, target, less, **of)]
    own = [] if control is None else beyond
    return about(flow=[*cuts, *curve("image to last", "image", direct, **of)], beyond=own)


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        (flow({4: -1.0}, {}, 0.0), "yes"),
        (flow({9: -1.0}, {}, 0.0), "no"),  # too deep
        (flow({}, {}, 0.0), "no"),
        (flow({4: -0.05}, {}, 0.0), "unclear"),  # the strongest of eleven, and not shown
        (flow({4: -1.0}, {}, -1.05), "unclear"),
        (flow({4: -1.0}, {}, None), "unclear"),
        (flow({4: -1.0}, {}, 0.0, n=5), "too few items"),
    ],
)
def test_transfer_must_be_shown_shallow_and_beyond_the_control(summary, verdict):
    assert shallow_transfer(summary).verdict == verdict


def test_what_is_not_shown_comes_with_what_it_could_be_at_most():
    assert "none lowers following by more than 0.150 nats" in shallow_transfer(flow({4: -0.05}, {}, 0.0)).evidence
    assert "at no layer more than 0.300 nats" in no_direct_path(flow({}, {3: -0.2}), "image").evidence


def test_without_items_that_follow_both_instructions_the_flow_says_nothing():
    nothing = about(flow=[], beyond=[])
    for claim in (shallow_transfer(nothing), no_direct_path(nothing, "image")):
        assert (claim.verdict, claim.items) == ("too few items", 0)
        assert "no item follows both" in claim.evidence


@pytest.mark.parametrize(
    ("direct", "through", "verdict"),
    [
        ({}, {4: -2.0}, "yes"),
        ({3: 0.0}, {4: -2.0}, "yes"),  # at most 0.1, which is less than a tenth of 1.9
        ({3: -0.12}, {4: -2.0}, "unclear"),  # at most 0.22, at least 0.02
        ({3: -0.6}, {4: -2.0}, "no"),  # at least 0.5, which is more than a tenth of 2.1
        ({3: -0.6}, {}, "no"),
        ({3: -0.09}, {}, "unclear"),  # the strongest of eleven, and not shown
        ({}, {}, "yes"),
    ],
)
def test_a_direct_path_is_judged_by_bands_over_all_layers(direct, through, verdict):
    assert no_direct_path(flow(through, direct), "image").verdict == verdict


def test_more_layers_to_choose_from_favour_no_answer():
    """A strongest layer alone says nothing: only what is shown, or bounded, at all layers does."""
    noise = {layer: 0.09 * (-1) ** layer for layer in range(11)}
    assert no_direct_path(flow({}, noise), "image").verdict == "unclear"
    assert shallow_transfer(flow(noise, {}, 0.0)).verdict == "unclear"


def test_values_that_are_all_equal_bound_nothing_but_exact_zeros_do():
    def with_layer(value: float) -> dict:
        summary = flow({}, {})
        row = next(r for r in summary["flow"] if (r["edge"], r["layer"]) == ("image to last", 3))
        row |= mean("effect", value, None)
        return summary

    assert no_direct_path(with_layer(0.0), "image").verdict == "yes"
    assert no_direct_path(with_layer(0.005), "image").verdict == "unclear"


def lens(margins: list[float], n: int = ITEMS) -> dict:
    where = {"norm": "final", "span": "last", "outcome": "success"}
    rows = [
        mean("margin", margin, 0.1, n, target=t, layer=k, **where) for t in PAIR for k, margin in enumerate(margins)
    ]
    return about(lens=rows) | {"model": {"layers": len(margins)}}


@pytest.mark.parametrize(
    ("margins", "verdict"),
    [
        ([0.0, 0.0, 0.0, 5.0, 9.0], "yes"),
        ([0.0, 1.0, 2.0, 5.0, 9.0], "no"),
        ([0.0, 0.0, 0.0, 0.5, 0.8], "unclear"),  # what the first half could have is more than a tenth
        ([0.0, 1.0, 2.0, 5.0, 0.0], "unclear"),
    ],
)
def test_arbitration_is_deep_if_nothing_is_decided_before(margins, verdict):
    assert deep_arbitration(lens(margins)).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "items", "verdict"),
    [(0.96, 1.0, 90, "yes"), (0.6, 0.8, 20, "no"), (0.9, 1.0, 72, "too few items"), (0.9, 1.0, 73, "unclear")],
)
def test_agreement_is_judged_by_its_interval_over_items(low, high, items, verdict):
    latent = {"items": items, "readings": 3 * items, "agreement": 0.97}
    claim = latent_agreement(about(latent=latent | {"agreement_low": low, "agreement_high": high}))
    assert (claim.verdict, claim.needed) == (verdict, 73)


def sums(mlp: float, attention: float) -> dict:
    return {"deep_sums": [{"outcome": "all", **mean("mlp", mlp, 0.5), **mean("attention", attention, 0.5)}]}


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        (sums(-1, 1), "yes"),
        (sums(1, 1), "no"),
        (sums(-1, -1), "no"),
        (sums(0, 1), "unclear"),
        ({"deep_sums": []}, "too few items"),
    ],
)
def test_inertia_needs_mlps_against_and_attention_for_the_instruction(summary, verdict):
    assert semantic_inertia(summary).verdict == verdict


def test_what_rounds_to_nothing_has_no_sign():
    assert "-0.000" not in semantic_inertia(sums(-0.0001, 1)).evidence
    assert "−" in semantic_inertia(sums(-1, 1)).evidence


def losses(lost: float | None, drawn: float, width: float = 0.1, items: int = ITEMS) -> list[dict]:
    return [
        {"condition": name, "items": items, "lost": value}
        | {f"lost_{end}": None if value is None else value + way for end, way in (("low", -width), ("high", width))}
        for name, value in (("blocked", lost), ("random 1", 0.0 if lost is not None else None), ("random 2", drawn))
    ]


def heads(lost: list[dict], *named: str, intact: float = 1.0, blocked: float = 0.5) -> dict:
    rates = [
        {"condition": c, "measure": "following", "rate": rate}
        for c, rate in (("intact", intact), ("blocked", blocked), ("blocked top 9", 0.3))
    ]
    return about(*named, rates=rates, lost=lost, choice={"share": 0.05, "count": 5})


@pytest.mark.parametrize(
    ("lost", "drawn", "verdict"),
    [
        (0.9, 0.0, "yes"),
        (0.65, 0.0, "unclear"),  # its interval holds 0.6
        (0.9, 0.25, "unclear"),
        (0.3, 0.0, "no"),
        (0.9, 0.5, "no"),  # random heads do too much
        (None, 0.0, "unclear"),
    ],
)
def test_few_heads_carry_following_if_they_and_no_random_ones_do_with_whole_intervals(lost, drawn, verdict):
    assert sparse_heads(heads(losses(lost, drawn))).verdict == verdict


@pytest.mark.parametrize(
    ("intact", "blocked", "smallest"), [(1.0, 0.5, "has 5 heads"), (1.0, 0.9, "has 9 heads"), (0.5, 0.2, "no set")]
)
def test_the_smallest_set_that_loses_most_is_named(intact, blocked, smallest):
    assert smallest in sparse_heads(heads(losses(0.9, 0.0), intact=intact, blocked=blocked)).evidence


def changes(*ends: tuple[float, float], n: int = 200) -> list[dict]:
    return [{"measure": "ability", "n": n, "difference": low, "low": low, "high": high} for low, high in ends]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (changes((-0.02, 0.01), (0.0, 0.02)), "yes"),
        (changes((-0.02, 0.01), (-0.2, -0.1)), "no"),
        (changes((-0.02, 0.01), (-0.05, 0.0)), "unclear"),
        (changes((-0.02, 0.01), (-0.05, 0.0), n=40), "too few items"),
    ],
)
def test_abilities_are_kept_if_no_interval_holds_a_fall(rows, verdict):
    claim = abilities_kept(about(ability_changes=rows))
    assert claim.verdict == verdict
    # With so many items of which none changes, both intervals end at 3 points; with one less they do not.
    assert unseen_share(claim.needed, 2) <= 0.03 < unseen_share(claim.needed - 1, 2)


@pytest.mark.parametrize(
    ("share", "items", "net", "verdict"),
    [
        (0.8, 20, 0.1, "yes"),
        (0.8, 20, 0.0, "unclear"),
        (0.55, 20, 0.1, "unclear"),
        (0.1, 20, 0.1, "no"),
        (0.8, 5, 0.1, "too few items"),
        (None, 0, 0.0, "too few items"),
    ],
)
def test_repair_needs_failures_and_a_gain(share, items, net, verdict):
    row = {"target": "both", "able_repaired": share, "able_failed": items, "able_items": items, "broken": 0.0}
    if share is not None:
        row |= {"able_repaired_low": share - 0.1, "able_repaired_high": share + 0.1}
    row |= {"followed": 5, "net": net, "net_low": net - 0.05, "net_high": net + 0.05}
    assert repair(about(recovery=[row], choice={"amplification": "amplified x2"})).verdict == verdict


def test_too_few_items_say_how_many_it_takes(monkeypatch):
    import trimtab.studies.circuits.claims as module

    few = Claim("It is so.", "too few items", "all of them", "yes: always", 1, 9)
    for name in ("shallow_transfer", "no_direct_path", "deep_arbitration", "latent_agreement", "semantic_inertia"):
        monkeypatch.setattr(module, name, lambda _summary, **_of: few)
    for name in ("sparse_heads", "abilities_kept", "repair"):
        monkeypatch.setattr(module, name, lambda _summary: few._replace(verdict="yes"))
    found = answer_claims(about())
    assert [claim.evidence for claim in found[:5]] == ["all of them; 1 item, where at least 9 are needed"] * 5
    assert [claim.evidence for claim in found[5:]] == ["all of them"] * 3


def test_every_claim_names_the_modalities_of_the_items():
    curves = [*curve("audio to last", "audio", {}), *curve("audio to instruction", "audio", {4: -2.0})]
    direct = no_direct_path(about("text", "audio", flow=curves), "audio")
    assert direct.claim == "There is no direct path from the audio to the last token."
    assert direct.verdict == "yes"
    assert "cutting audio to instruction" in direct.rule
    kept = abilities_kept(about(*TRIO, ability_changes=changes((0.0, 0.0))))
    assert kept.claim == "Blocking these heads preserves seeing and reading and hearing."
    assert "of what is above 1/3 is lost" in sparse_heads(heads(losses(0.9, 0.0), *TRIO)).evidence
    assert "follows of 3 opposite instructions" in sparse_heads(heads(losses(0.9, 0.0), *TRIO)).rule
    nothing = about(*TRIO, flow=[], beyond=[])
    assert "audio: no item follows all instructions" in shallow_transfer(nothing).evidence
    assert "for all instructions; no: at every" in shallow_transfer(nothing).rule
