"""The page of evidence: its rule, its rows out of finished runs, and what it says of what was not measured."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.evidence.__main__ import IMAGES, write_page
from benchmarks.evidence.claims.every import GROUPS
from benchmarks.evidence.measures import circuits, contribution, hardening, interference, making, patching, steering
from benchmarks.evidence.row import Answer, Case
from benchmarks.evidence.sources import FILES, RECIPES, Evidence, Source, command_of, read
from benchmarks.evidence.tables import paper_tables
from benchmarks.pages import page_command
from pandas import DataFrame

from trimtab.errors import UsageError
from trimtab.studies import read_plan
from trimtab.studies.circuits import CircuitsPlan
from trimtab.studies.interference import InterferencePlan
from trimtab.studies.interference.effect_tables import effects

REPOSITORY = Path(__file__).parents[2]


def cases_of(measure, *sources: Source) -> dict[str, Case]:
    return {f"{case.model} {case.condition}".strip(): case for case in measure(Evidence(sources))}


def test_paired_comparisons_are_those_of_the_study_in_either_direction(study):
    found = cases_of(steering.over(("amps", "l2s")), study)
    row = next(
        r for r in study.found["paired"] if (r["method"], r["baseline"], r["target"]) == ("amps", "l2s", "image")
    )
    case = found["pocket-qwen toward image"]
    assert case.number is not None
    assert (case.number.value, case.number.p, case.verdict) == (row["difference"], row["p_holm"], "holds")
    assert 0 < (case.number.least or 0) < 0.5
    assert found["pocket-qwen toward text"].verdict == "not shown"
    turned = cases_of(steering.over(("l2s", "amps")), study)["pocket-qwen toward image"]
    assert turned.number is not None
    assert (turned.number.value, turned.number.high, turned.verdict) == (
        -case.number.value,
        -(case.number.low or 0),
        "does not hold",
    )
    assert cases_of(steering.over(("amps", "l2s"), margin=0.1), study)["pocket-qwen toward text"].verdict == "holds"


def test_collapse_is_compared_on_the_same_items(study):
    found = cases_of(steering.stronger_collapses("mean"), study)
    image, text = (found[f"pocket-qwen mean toward {t}, strength 2 against 1"] for t in ("image", "text"))
    assert (image.verdict, text.verdict) == ("holds", "not shown")
    assert image.number is not None
    assert image.number.value == 1.0
    [amps, *_] = cases_of(steering.collapses("amps", "l2s"), study).values()
    assert amps.number is not None
    assert (amps.number.value, amps.verdict) == (pytest.approx(1 / 60), "not shown")
    assert {c.verdict for c in cases_of(steering.collapses("amps", "none", 0.1), study).values()} == {"holds"}


def test_contribution_moves_by_no_more_than_is_there(study):
    found = cases_of(steering.moved_ratio, study)
    assert {case.verdict for case in found.values()} == {
        "not shown"
    }  # the made-up ratios are those of every instruction


def test_controls_ask_for_what_is_kept_and_for_what_is_lost():
    row = {"model": "m", "method": "autotrim", "target": "text", "chosen": True, "kind": "irrelevant_text", "n": 48}
    row |= {
        "difference": -0.4,
        "difference_low": -0.5,
        "difference_high": -0.3,
        "lost": 20,
        "gained": 1,
        "p_holm": 0.001,
    }
    source = Source("steering", Path("run"), {"controls": [row]}, "")
    kinds = ("irrelevant_text",)
    assert [c.verdict for c in steering.on_controls("autotrim", kinds, 0.05)(Evidence((source,)))] == ["does not hold"]
    assert [c.verdict for c in steering.on_controls("autotrim", kinds, harmed=True)(Evidence((source,)))] == ["holds"]


def test_differences_of_two_estimates_are_wider_than_either():
    first = {"n": 20, "x": 0.8, "x_low": 0.7, "x_high": 0.9}
    second = {"n": 30, "x": 0.5, "x_low": 0.4, "x_high": 0.6}
    number = steering.apart(first, second, "x")
    assert number.n == 20
    assert (number.value, number.low, number.high) == pytest.approx((0.3, 0.3 - 0.1 * 2**0.5, 0.3 + 0.1 * 2**0.5))
    assert steering.apart({**first, "x_low": None}, second, "x").low is None


def diagnosed(lie: int) -> list[dict]:
    """Answers to 60 items, right but for the first so many under a misleading text."""
    return [
        {
            **{"id": f"i{k}", "task": "color", "tags": [], "cluster": f"i{k}", "way": "plain", "scoring": "logits"},
            **{"relevant": "image", "condition": condition, "correct": condition == "clean" or k >= lie},
            **{"changed": condition != "clean" and k < lie, "harmful": condition != "clean" and k < lie},
            **{
                "helpful": False,
                "collapsed": False,
                "named": -1,
                "followed": False,
                "kl": None,
                "js": None,
                "tv": None,
            },
        }
        for condition in ("clean", "misleading_text")
        for k in range(60)
    ]


def test_harm_is_the_diagnosis_own():
    for lie, expected in ((30, "holds"), (1, "not shown")):
        found = {"effects": effects(diagnosed(lie)), "model": {"name": "m"}}
        source = Source("interference", Path("run"), found, "")
        [case] = interference.harms("image", ("misleading_text",))(Evidence((source,)))
        assert case.number is not None
        assert (case.model, case.number.value, case.verdict) == ("m", pytest.approx(-lie / 60), expected)


def test_hardening_is_compared_on_the_same_items(tmp_path):
    for label, lie in (("vanilla", 30), ("kl-0", 2), ("kl-1", 4)):
        step = tmp_path / "steps" / label / "diagnosis.parquet"
        step.parent.mkdir(parents=True)
        table = DataFrame(diagnosed(lie))
        table.attrs["notes"] = {}
        table.to_parquet(step, index=False)
    cost = [{"variant": "kl", "label": f"kl-{seed}"} for seed in (0, 1)]
    found = {"cost": cost, "model": {"name": "m"}, "seen": ["clean", "misleading_text"], "unseen": []}
    evidence = Evidence((Source("hardening", tmp_path, found, ""),))
    [case] = hardening.hardened(("kl", "vanilla"), relevant="image", cut="seen")(evidence)
    assert case.number is not None
    assert (case.number.value, case.verdict) == (pytest.approx(27 / 60), "holds")
    assert case.condition == "image items, worst seen, 2 seeds"
    [case] = hardening.hardened(("kl", "vanilla"), relevant="image", cut="clean", margin=0.07)(evidence)
    assert case.number is not None
    assert (case.number.value, case.verdict) == (0.0, "holds")
    assert hardening.hardened(("js", "vanilla"), relevant="image", cut="seen")(evidence) == []
    pairs = ("js", "vanilla"), ("kl", "vanilla")
    [case] = hardening.hardened(*pairs, relevant="image", cut="seen")(evidence)  # of several, those that were run
    assert case.condition == "kl over vanilla: image items, worst seen, 2 seeds"


def test_claims_about_circuits_are_answered_by_their_own_rules():
    following = {
        "condition": "intact",
        "measure": "following",
        "rate": 0.8,
        "rate_low": 0.7,
        "rate_high": 0.9,
        "items": 90,
    }
    found = {
        "name": "m",
        "model": {"layers": 2},
        "rates": [following],
        "baseline": [{"target": t} for t in ("image", "text")],
    }
    source = Source("circuits", Path("run"), found, "")
    rules: list[circuits.Claim] = [circuits.Claim("c", "yes", "the evidence", "the rule", 12, 20)]
    rules += [rules[0]._replace(verdict=word) for word in ("no", "unclear", "too few items")]
    for rule, expected in zip(rules, circuits.WORDS.values(), strict=True):
        [case] = circuits.claim(lambda _, rule=rule: rule)(Evidence((source,)))
        assert (case.model, case.verdict, case.said, case.n) == ("m", expected, "the evidence", 12)
        assert case.power == "needs at least 20 items"
    deaf = replace(source, found={**found, "rates": [{**following, "rate": 0.5, "rate_low": 0.4, "rate_high": 0.6}]})
    [case] = circuits.claim(lambda _: rules[1])(Evidence((deaf,)))  # it does not heed the instruction
    assert (case.verdict, case.said) == ("not shown", "the premise is not shown; the evidence")


def test_an_interval_follows_from_an_effect_size():
    rows = [{"instruction": "text", "n": 64, "difference": -0.1, "cohen_dz": -0.8}]
    source = Source(contribution.VALIDITY, Path("f"), {"models": {"m": {"instructions/paper": rows}}}, "")
    [case] = contribution.moved_by_instructions(("paper",))(Evidence((source,)))
    assert case.number is not None
    assert (case.number.value, case.verdict) == (0.1, "holds")
    assert case.number.low == pytest.approx(0.1 - 1.998 * 0.125 / 8, abs=1e-4)


def test_the_papers_tables_have_a_line_for_each_method_and_target(study):
    tables = {table.title: table for table in paper_tables(Evidence((study,)))}
    assert {len(row) for table in tables.values() for row in table.rows} == {len(tables["Table 1"].columns)}
    second = [row for row in tables["Table 2"].rows if row[0] != "AMPS's paper"]
    assert {(row[1], row[2], row[3]) for row in second} == {
        (model, target, method)
        for model in study.models
        for target in ("image", "text")
        for method in ("none", "L2S", "AMPS")
    }
    line = next(row for row in second if row[1:4] == ["pocket-qwen", "image", "AMPS"])
    assert line[tables["Table 2"].columns.index("all")] == "80.0"


def test_the_page_has_every_row_its_figures_and_what_is_missing(study, tmp_path):
    out = tmp_path / "docs" / "evidence.md"
    files = [REPOSITORY / "docs" / name for name in FILES]
    (tmp_path / "unfinished").mkdir()
    write_page([study.path, *files, tmp_path / "unfinished"], out)
    text, rows = out.read_text(), json.loads(out.with_suffix(".json").read_text())["rows"]
    assert len(rows) == sum(len(group.rows) for group in GROUPS)
    for row in rows:
        assert text.count(f"### {row['claim']}\n") >= 1
        assert f'<a id="{row["name"]}"></a>' in text
        assert row["verdict"] in ("holds", "does not hold", "not shown", "not measured")
    by_name = {row["name"]: row for row in rows}
    assert by_name["instruction-anchor-1"]["verdict"] == "not measured"
    assert "To measure it: `trimtab circuits" in text
    assert by_name["reviewers-6"]["verdict"] == "holds"  # a measure costs at most three prefills
    assert "Not finished, and left out: unfinished." in text
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert {f"{IMAGES}/figure-{k}-pocket-qwen.png" for k in (1, 4, 5, 6)} <= set(pictures)
    assert all((out.parent / picture).is_file() for picture in pictures)


def test_a_run_of_changed_code_does_not_name_its_code(study):
    made = {"data": {"test": {"items": 1, "fingerprint": "f"}}, "versions": {"torch": "2"}}
    for commit, expected in (("1234", "holds"), ("1234+", "does not hold"), (None, "does not hold")):
        [case] = making.documented(Evidence((replace(study, provenance={**made, "commit": commit}),)))
        assert case.verdict == expected


def test_what_is_no_run_is_refused(study, tmp_path, monkeypatch, capsys):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UsageError, match="must be a run folder or a file among"):
        read([tmp_path / "other.json"])
    with pytest.raises(UsageError, match="names of their own"):
        read([study.path, study.path])
    monkeypatch.setattr(sys, "argv", ["evidence", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit, match="2"):
        page_command(None, write_page, "docs/evidence.md")
    assert "must be a run folder" in capsys.readouterr().err


def patched(**found: object) -> Evidence:
    """One circuits study with what patching found."""
    empty = {"curves": [], "crossovers": [], "foretelling": [], "ablation": []}
    return Evidence((Source("circuits", Path("run"), {"name": "m", "patching": {**empty, **found}}, ""),))


def test_claims_about_patching_are_judged_by_their_intervals():
    curve = {"donor": "image", "part": "last", "n": 40}
    curves = [
        {**curve, "layer": layer, "flips": rate, "flips_low": rate - 0.1, "flips_high": rate + 0.1}
        for layer, rate in enumerate([0.0, 0.1, 0.3, 0.9, 1.0])
    ]
    found = patching.last_token_fails(patched(curves=curves))
    rates = [(case.number.value, case.verdict) for case in found if case.number]
    assert rates == [(0.3, "holds"), (0.9, "does not hold"), (1.0, "does not hold")]  # at layers 2, 3 and 4 of 0 to 4
    [deep, even] = patching.crosses_deep(
        patched(crossovers=[{"target": "image", "n": 40, "deep": 0.9}, {"target": "text", "n": 40, "deep": 0.5}])
    )
    assert (deep.verdict, even.verdict) == ("holds", "not shown")
    ranks = [
        {"target": "image", "predictor": "crossover", "n": 40, "rho": -0.5, "rho_low": -0.7, "rho_high": -0.3},
        {"target": "all", "predictor": "crossover", "n": 80, "rho": 0.5, "rho_low": 0.3, "rho_high": 0.7},
        {"target": "text", "predictor": "crossover", "n": 40, "rho": None, "rho_low": None, "rho_high": None},
    ]
    [case] = patching.foretells_side("crossover")(patched(foretelling=ranks))  # of one instruction, where it varies
    assert (case.condition, case.verdict) == ("told image", "holds")
    flips = {"heads": "promoting", "n": 40, "flips": 0.3, "flips_low": 0.2, "flips_high": 0.4, "random": 0.05}
    shown, unclear = patching.silenced("promoting")(
        patched(ablation=[{**flips, "target": "text", "p": 0.02}, {**flips, "target": "image", "p": 0.3}])
    )
    assert (shown.verdict, unclear.verdict) == ("holds", "not shown")
    assert shown.number is not None
    assert shown.number.p == 0.04  # of two


def test_a_run_of_a_recipe_is_made_by_its_command():
    plan = read_plan(RECIPES / "steering.yaml")
    whole, fast = (json.loads(json.dumps(p.resolved())) for p in (plan, plan.fast()))  # pyright: ignore
    command = "trimtab study recipes/steering.yaml"
    assert command_of("steering", whole, "mine") == f"{command} --out runs/mine"
    assert command_of("steering", fast, "mine") == f"{command} --fast --out runs/mine"
    changed = command_of("steering", {**whole, "test_items": 3}, "mine")
    assert changed == f"{command} --out runs/mine, with the settings in runs/mine/config.yaml"
    assert command_of("steering", {"name": "demo --fast"}, "d") == "trimtab demo --fast --out runs/d"
    heads = read_plan(RECIPES / "smol" / "circuits.yaml").resolved()  # pyright: ignore
    assert command_of("circuits", heads, "c") == "trimtab study recipes/smol/circuits.yaml --out runs/c"
    assert command_of("circuits", CircuitsPlan("m", "d").resolved(), "c") == "trimtab circuits m d --out runs/c"
    limited = InterferencePlan("m", "d", limit=30).resolved()
    assert command_of("interference", limited, "i") == "trimtab interference m d --limit 30 --out runs/i"
    few = CircuitsPlan("m", "d", test_items=9).resolved()
    assert command_of("circuits", few, "c").endswith(", with the settings in runs/c/config.yaml")


def test_rows_have_what_the_page_needs():
    rows = [row for group in GROUPS for row in group.rows]
    assert len({group.name for group in GROUPS}) == len(GROUPS)
    for row in rows:
        assert row.claim.endswith(".")
        assert Answer(row, row.cases(Evidence(()))).verdict == "not measured"
        assert row.command


def test_runs_say_what_made_them():
    run = Source("steering", Path("a"), {"models": {"smol-llava": {}}}, "", {"data": {}, "commit": "abc"})
    assert [case.verdict for case in making.documented(Evidence((run,)))] == ["does not hold"]
    assert [case.model for case in making.of_others(Evidence((run,)))] == ["smol-llava"]


def test_seeds_are_counted():
    rows = DataFrame(
        {
            "model": ["m"],
            "method": "random",
            "target": "text",
            "protocol": "open",
            "seeds": 5,
            "lowest": 0.1,
            "highest": 0.3,
        }
    ).assign(following=0.2)
    source = Source("steering", Path("a"), {"seeds": rows.to_dict("records")}, "")
    [case] = steering.seeds_of("random", 5)(Evidence((source,)))
    assert (case.verdict, case.said) == ("holds", "5 seeds: 10.0 to 30.0 %, mean 20.0 %")
    assert [c.verdict for c in steering.seeds_of("random", 6)(Evidence((source,)))] == ["does not hold"]
