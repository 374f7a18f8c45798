"""Every public verb on pretend engines: it works, or refuses before any work and names the capability."""

# pyright: reportArgumentType=false
# Verbs say that they take a Model; what they do with another engine is the question here.

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab import measure
from trimtab.checking import check_model
from trimtab.circuits import (
    Condition,
    Patch,
    TaskConfig,
    build_cases,
    decompose,
    every_head,
    head_scores,
    knockout,
    lens,
    mean_outputs,
    perplexity,
    read_out,
    sequence_patching,
    try_conditions,
)
from trimtab.circuits.gradient import gradient_gates
from trimtab.contribution import METHODS as MEASURES
from trimtab.contribution import trace
from trimtab.engine import (
    AddVector,
    BlockAttention,
    BoostAttention,
    Capability,
    Contrast,
    Engine,
    Prompt,
    Read,
    ReplaceStates,
    Row,
    ScaleHeads,
    SkipLayers,
    admit,
    applied,
    batches_of,
    encode,
    engine_of,
    generate,
    inputs,
    needs,
    run,
)
from trimtab.errors import UnsupportedEngineError, UnsupportedMethodError
from trimtab.interference import DiagnosisConfig, HardenConfig, diagnose, harden, spectrum
from trimtab.items import Item, read_items
from trimtab.models import Model
from trimtab.steering import METHODS, Instruction, MeanDifference, NoSteering
from trimtab.steering.tuning import tune
from trimtab.studies import Plan, evaluate, evaluate_controls, joint_controls, run_study
from trimtab.studies.circuits import CircuitsPlan
from trimtab.studies.interference import AblationPlan, InterferencePlan
from trimtab.studies.measurement import MeasurementPlan
from trimtab.testing import FakeEngine

C = Capability
WHITE_BOX = {C.CACHE, C.GRADIENTS, C.WEIGHTS}
SETS: dict[str, frozenset[Capability]] = {
    "nothing": frozenset(),
    "logits": frozenset({C.LOGITS}),
    "states": frozenset({C.LOGITS, C.HIDDEN}),
    "vectors": frozenset({C.LOGITS, C.HIDDEN, C.ADD_VECTOR}),
    "claims": frozenset(WHITE_BOX),
    "remote": frozenset(Capability) - WHITE_BOX,
}
PROMPT = Prompt("What is shown?", context="A red dog sleeps.")


SCORES = ("direct", "causal", "gradient", "patching")
CONDITIONS = [Condition("intact")]


def items() -> list[Item]:
    return conflict_items(6)


def options() -> list[Item]:
    return list(read_items("pocket-interference:test"))[:4]


def fitted(engine: FakeEngine, method: str) -> None:
    known = METHODS[method]
    artifact = known(known.targets[0]).fit(engine, items())
    generate(engine, artifact.asks(engine, [PROMPT.with_instruction(None)], None))


def cases(engine: FakeEngine) -> Any:
    return build_cases(engine, items(), TaskConfig())


ONCE = HardenConfig(steps=1, batch_size=2, attack=None, perturbations=("misleading_text",))
STUDIES: dict[str, Any] = {
    "measurement": MeasurementPlan("fake", "items"),
    "steering": Plan(models=("fake",), methods=("none", "instruction"), cost_items=1, control_items=2),
    "plain steering": Plan(models=("fake",), methods=("none", "instruction", "drop"), contribution_items=0),
    "vectors": Plan(models=("fake",), methods=("none", "mean"), contribution_items=0),
    "circuits": CircuitsPlan("fake", "items", score_items=2, validation_items=2, test_items=2, flow_items=1),
    "interference": InterferencePlan("fake", "options", DiagnosisConfig(("noise_image",)), limit=4),
    "hardening": AblationPlan("fake", "options", "items", ("augmented",), (0,), ONCE, ("noise_image",), ("plain",)),
}


def followed(engine: FakeEngine) -> Any:
    """Return cases on whose items the named modality wins on the whole, as patching wants them."""
    own = cases(engine)
    margins = read_out(FakeEngine({C.LOGITS}), own).margins[:, 0]
    total = Counter[str]()
    for case, margin in zip(own, margins.tolist(), strict=True):
        total[case.item.id] += margin
    return [case for case in own if total[case.item.id] > 0]


def studied(engine: FakeEngine, name: str, folder: Path) -> None:
    def read(source: str) -> list[Item]:
        return options() if source.startswith("options") else conflict_items(12)

    run_study(STUDIES[name], folder / "run", load=lambda *_a, **_k: engine, read=read)


VERBS: dict[str, Callable[[FakeEngine, Path], Any]] = {
    "run": lambda e, _p: run(e, PROMPT),
    "read hidden": lambda e, _p: run(e, PROMPT, Read(logits=False, hidden=(1,))),
    "read heads": lambda e, _p: run(e, PROMPT, Read(logits=False, heads=(1,), at=("context", "last"))),
    "generate": lambda e, _p: generate(e, PROMPT),
    "vector": lambda e, _p: generate(e, Row(PROMPT, (AddVector(0, torch.ones(e.hidden_size)),))),
    "heads": lambda e, _p: generate(e, Row(PROMPT, (ScaleHeads(0, (0,)),))),
    "states": lambda e, _p: generate(e, Row(PROMPT, (ReplaceStates(0, torch.ones(1, e.hidden_size), ("last",)),))),
    "skip": lambda e, _p: generate(e, Row(PROMPT, (SkipLayers((0,), ("last",)),))),
    "mask": lambda e, _p: generate(e, Row(PROMPT, (BlockAttention(("context",), ("last",), (0,)),))),
    "scores": lambda e, _p: generate(e, Row(PROMPT, (BoostAttention(("context",), ("last",), (0,), 0.2),))),
    "contrast": lambda e, _p: generate(e, [PROMPT, Contrast((Row(PROMPT), Row(PROMPT.without("text"))), (2.0, -1.0))]),
    "admit": lambda e, _p: admit(e, [PROMPT]),
    "encode": lambda e, _p: encode(e, PROMPT),
    "inputs": lambda e, _p: inputs(e, PROMPT),
    "applied": lambda e, _p: applied(e, []).__enter__(),
    "build_cases": lambda e, _p: cases(e),
    "read_out": lambda e, _p: read_out(e, cases(e)),
    "knockout": lambda e, _p: knockout(e, cases(e), size=1),
    "sequence_patching": lambda e, _p: sequence_patching(e, [Patch(c, c.prompt, "itself") for c in cases(e)]),
    "lens": lambda e, _p: lens(e, cases(e)),
    "decompose": lambda e, _p: decompose(e, cases(e)),
    "every_head": lambda e, _p: every_head(e),
    "mean_outputs": lambda e, _p: mean_outputs(e, cases(e)),
    "gradient_gates": lambda e, _p: gradient_gates(e, cases(e)),
    **{f"head_scores {s}": lambda e, _p, s=s: head_scores(e, followed(e), s) for s in SCORES},
    "try_conditions": lambda e, _p: try_conditions(e, items(), CONDITIONS),
    "perplexity": lambda e, _p: perplexity(e, items(), CONDITIONS),
    "trace": lambda e, _p: trace(e, items()[0]),
    **{f"measure {n}": lambda e, _p, n=n: measure(e, items(), method=MEASURES[n]()) for n in MEASURES},
    **{f"fit {n}": lambda e, _p, n=n: fitted(e, n) for n in METHODS},
    "evaluate": lambda e, _p: evaluate(e, items(), [NoSteering("image").fit(e, items())]),
    "diagnose letters": lambda e, _p: diagnose(e, options(), DiagnosisConfig(ways=("plain", "contrast"))),
    "diagnose answers": lambda e, _p: diagnose(e, options(), DiagnosisConfig(scoring=("generation",))),
    "harden": lambda e, p: harden(e, options(), p / "hardened"),
    "check": lambda e, _p: check_model(e, items()),
    "tune mean": lambda e, _p: tune(MeanDifference("image"), e, items(), items()[:2]),
    "tune instruction": lambda e, _p: tune(Instruction("image"), e, items(), items()[:2]),
    "controls": lambda e, _p: evaluate_controls(e, joint_controls(items()), [NoSteering("image").fit(e, items())]),
    "spectrum": lambda e, _p: spectrum(e, options(), DiagnosisConfig()),
    **{f"study of {name}": lambda e, p, name=name: studied(e, name, p) for name in STUDIES},
}

WORK: dict[str, set[str]] = {
    "nothing": {"generate", "admit", "encode", "build_cases", "every_head", "evaluate", "diagnose answers"}
    | {"tune instruction", "study of plain steering"}
    | {f"fit {name}" for name in ("none", "instruction", "chain_of_thought", "few_shot", "drop")},
    "logits": {"run", "contrast", "read_out", "measure ablation", "measure shapley", "trace", "diagnose letters"}
    | {"controls", "spectrum", "study of measurement", "study of interference"}
    | {"fit vcd", "fit vdd"},
    "states": {"read hidden"},
    "vectors": {"vector", "fit mean", "fit random", "tune mean", "study of vectors"},
    "remote": {"read heads", "heads", "states", "mask", "scores", "knockout", "mean_outputs", "head_scores causal"}
    | {"head_scores patching", "sequence_patching"}
    | {"fit pai", "fit causalmm"},
}
"""Verbs that must work with a set, beside those that work with the sets before it."""


def refusal(engine: FakeEngine, verb: str, folder: Path) -> str | None:
    """Return why the engine was refused, if it was; a method that finds nothing to work with has looked."""
    try:
        VERBS[verb](engine, folder)
    except UnsupportedEngineError as error:
        return str(error)
    except UnsupportedMethodError:
        return None
    return None


@pytest.mark.parametrize("have", SETS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_works_or_refuses_before_any_work(verb: str, have: str, tmp_path: Path):
    engine = FakeEngine(SETS[have])
    reason = refusal(engine, verb, tmp_path)
    if reason is not None:
        lacking = [c.name for c in Capability if c not in engine.capabilities or c in WHITE_BOX]
        assert re.search(rf"must have the capability .*({'|'.join(lacking)}).*; the engine of fake has", reason)
        assert "load the model with trimtab.load" in reason
        assert engine.calls == []
    before = list(SETS)[: list(SETS).index(have) + 1]
    if have != "claims" and any(verb in WORK.get(name, ()) for name in before):
        assert reason is None


def test_a_fake_is_an_engine_and_so_is_a_model_served_here(model: Model):
    engine = FakeEngine()
    assert isinstance(engine, Engine)
    assert engine_of(engine) is engine
    local = engine_of(model)
    assert isinstance(local, Engine)
    assert local.capabilities == set(Capability)
    assert (local.name, local.family_name, local.n_layers) == (model.name, model.family.name, model.n_layers)
    assert (local.vocab_size, local.precision) == (model.text_config.vocab_size, "float32")
    assert local.detokenize(local.tokenize("red dog")).strip() == "red dog"


def test_needs_are_those_of_edits_reads_and_contrasts():
    edits = (ScaleHeads(0, (0,)), BlockAttention(("context",), ("last",), (0,)))
    assert needs(PROMPT) == set()
    assert needs([PROMPT, Row(PROMPT, edits)]) == {C.EDIT_HEADS, C.EDIT_MASK}
    assert needs(PROMPT, Read(hidden=(0,))) == {C.LOGITS, C.HIDDEN}
    assert needs(Contrast((Row(PROMPT), Row(PROMPT, edits[:1])), (1.0, 1.0))) == {C.LOGITS, C.EDIT_HEADS}
    assert needs(PROMPT.with_image_counterfactual("shuffle")) == {C.EDIT_SCORES}


def test_equal_questions_get_equal_numbers_and_others_do_not():
    first, second = FakeEngine(SETS["vectors"]), FakeEngine(SETS["vectors"])
    edited = Row(PROMPT, (AddVector(0, torch.ones(first.hidden_size)),))
    rows = [PROMPT, PROMPT.without("text"), edited]
    found = run(first, rows, Read(hidden=(1,)))
    assert torch.equal(found.logits, run(second, rows, Read(hidden=(1,))).logits)
    assert len({tuple(row.tolist()) for row in found.logits}) == 3
    assert found.hidden[1].shape == (3, first.hidden_size)
    assert found.cost.rows == 3
    assert found.receipt.positions == 1
    assert first.calls == ["run"]


def test_work_over_items_keeps_their_order(model: Model):
    for engine in (FakeEngine(), engine_of(model)):
        assert engine.map(lambda own, number: (own.name, 2 * number), [3, 1]) == [(engine.name, 6), (engine.name, 2)]


def test_other_engines_make_their_own_batches():
    engine = FakeEngine(SETS["vectors"])
    plain = run(engine, [PROMPT]).logits
    with batches_of(engine, 3):
        assert torch.equal(run(engine, [PROMPT]).logits, plain)
    assert engine.calls == ["run", "run"]
