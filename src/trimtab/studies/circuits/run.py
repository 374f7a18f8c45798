"""Run a circuits study from its plan into a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trimtab.circuits import (
    MEASURES,
    SCOPES,
    Condition,
    HeadScores,
    HeadSet,
    every_head,
    how_many,
    layer_matched_heads,
    mean_norms,
    mean_outputs,
    norm_matched_heads,
    parts_of,
    random_heads,
    shuffled,
    top_heads,
)
from trimtab.circuits.interventions import choose_strength
from trimtab.engine.local.exclusive import batches_of
from trimtab.errors import UsageError
from trimtab.items import Item, Items, items_fingerprint, remembered, split_items, valid_answers
from trimtab.items.admission import check_items
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.studies.circuits.claims import answer_claims
from trimtab.studies.circuits.plan import CircuitsPlan
from trimtab.studies.circuits.steps import CircuitSteps
from trimtab.studies.circuits.summary import (
    choices,
    condition_rates,
    deep_sums,
    flow_curves,
    head_rows,
    layer_curves,
    lens_curves,
    perplexities,
    recovery,
)
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.provenance import computed_in, describe, git_commit, hardware, versions
from trimtab.studies.kit.reading import read_summary
from trimtab.studies.kit.records import grouped, records
from trimtab.studies.kit.run_folder import PROVENANCE, SUMMARY, RunFolder

SCHEMA_VERSION = 1
KIND = "circuits"
DIGITS = 6
LEAST_ITEMS = 8
PARTS = {"score": 0.3, "validation": 0.25, "test": 0.45}


def run_circuits(
    plan: CircuitsPlan,
    out: str | Path,
    model: Model,
    items: Sequence[Item],
    *,
    progress: Progress = SILENT,
) -> Path:
    """Explain a model, or go on with a study that was killed.

    Knockout curves, lens, layers and head scores on one part of the items; the score and the amplification are chosen
    on a second part; the chosen heads are blocked and amplified, beside controls, on a third. A finished step is
    never computed again.

    Args:
        plan: The study.
        out: The run folder, new or of the same study.
        model: The model.
        items: Conflict items; they are split by picture.
        progress: Told of what is being done.

    Returns:
        The run folder, with ``summary.json``, ``provenance.json`` and the chosen heads as artifacts.

    Raises:
        UsageError: The items are too few, none can be used, or the plan does not fit the model.
        RunFolderError: The folder belongs to another configuration, or cannot be written to.
    """
    _check_model(plan, model)
    with batches_of(model, plan.batch_size):
        return _run(plan, out, model, items, progress)


def _run(plan: CircuitsPlan, out: str | Path, model: Model, items: Sequence[Item], progress: Progress) -> Path:
    parts = _parts(plan, items)
    fingerprints = {name: items_fingerprint(part) for name, part in parts.items()}
    config = {
        KIND: plan.resolved(),
        "model": model.fingerprint,
        "computed_in": computed_in([model]),
        "data": fingerprints,
    }
    with RunFolder(out, config) as folder:
        steps = CircuitSteps(plan, folder, model, parts, valid_answers(items), progress)
        skipped = steps.admit()
        summary = _rounded(_summary(plan, steps, folder))
        summary["skipped"] = skipped
        summary["claims"] = [claim._asdict() for claim in answer_claims(summary)]
        notes = folder.steps()
        provenance = {
            "study": KIND,
            "seed": plan.seed,
            "versions": versions(),
            "commit": git_commit(),
            "hardware": hardware([model]),
            "data": {name: {"items": len(part), "fingerprint": fingerprints[name]} for name, part in parts.items()},
            "seconds": round(sum(note["seconds"] for note in notes.values()), 1),
            "steps": notes,
        }
        folder.write(PROVENANCE, json.dumps(provenance, indent=1) + "\n")
        folder.write(SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return folder.path


def _check_model(plan: CircuitsPlan, model: Model) -> None:
    """Refuse a plan that this model is too small for."""
    usual = CircuitsPlan.window  # on a model of fewer layers it is the whole depth
    if plan.window > max(usual, model.n_layers):
        raise UsageError(
            f"`window` of CircuitsPlan must be at most the {model.n_layers} layers of {model.name}; got {plan.window}."
        )


def _parts(plan: CircuitsPlan, items: Sequence[Item]) -> dict[str, Items]:
    """Share items among the parts.

    Raises:
        UsageError: They are too few, or share too few pictures.
    """
    sizes = {"score": plan.score_items, "validation": plan.validation_items, "test": plan.test_items}
    found = check_items(items, "`items` of circuits")
    if len(found) < LEAST_ITEMS:
        raise UsageError(
            f"`items` of circuits must be at least {LEAST_ITEMS}, to score heads, choose among them and test them on "
            f"different ones; got {len(found)}; a verdict takes some 40."
        )
    split = split_items(found, PARTS, plan.seed)
    return {name: choose_items(split[name], size, plan.seed) for name, size in sizes.items()}


def _summary(plan: CircuitsPlan, steps: CircuitSteps, folder: RunFolder) -> dict[str, Any]:
    model = steps.model
    baseline, layers = records(steps.baseline()), records(steps.layers())
    scores = steps.scores()
    found = {
        "schema_version": SCHEMA_VERSION,
        "study": KIND,
        "seed": plan.seed,
        "name": model.name,
        "model": describe(model),
        "plan": plan.resolved(),
        "baseline": _baseline(baseline, steps),
        "flow": flow_curves(records(steps.flow()), plan.seed),
        "lens": lens_curves(records(steps.lens()), plan.seed),
        "layers": layer_curves(layers, baseline, plan.seed),
        "deep_sums": deep_sums(layers, baseline, model.n_layers, plan.seed),
        "scored": {"cases": len(steps.scored), "follow_both": steps.scored is steps.successes},
        "heads": head_rows(scores),
        "choices": choices(scores, plan.share, plan.seed),
    }
    found["choice"] = choice = _choose(plan, steps, scores)
    chosen = tuple((layer, head) for layer, head in choice["heads"])
    conditions = _conditions(plan, steps, scores[choice["score"]], chosen, choice["strength"])
    tried = records(steps.tried("test", "test", conditions, MEASURES))
    asked = {row["measure"] for row in tried}
    found["abilities"] = [measure for measure in MEASURES if measure in asked and measure not in PAIR]
    found["rates"] = condition_rates(tried)
    found["recovery"] = recovery(tried, choice["amplification"])
    language = [c for c in conditions if c.name in ("intact", "blocked", choice["amplification"], "random 1")]
    found["perplexity"] = perplexities(records(steps.language(language)))
    _save(steps, folder, chosen, choice["strength"])
    return found


def _baseline(rows: list[dict[str, Any]], steps: CircuitSteps) -> list[dict[str, Any]]:
    found = []
    for target in PAIR:
        own = [row for row in rows if row["target"] == target]
        shares = {
            label: sum(row["label"] == label for row in own) / len(own) for label in ("following", "opposite", "other")
        }
        found.append({"target": target, "n": len(own), "skipped": len(steps.cases.skipped), **shares})
    return found


def _choose(plan: CircuitsPlan, steps: CircuitSteps, scores: Mapping[str, HeadScores]) -> dict[str, Any]:
    """Choose on validation items the score whose heads carry following, and how strongly to amplify them.

    It is the one whose blocked heads lower following most beyond what they lower plain abilities: a head that every
    answer needs would lower both.
    """
    total = steps.model.n_layers * steps.model.n_heads
    count = how_many(total, plan.share)
    tops = {name: top_heads(found.mean(), count) for name, found in scores.items()}
    blocked = [Condition(name, steps.head_set(heads, -1.0)) for name, heads in tops.items()]
    tried = records(steps.tried("choose-score", "validation", [Condition("intact"), *blocked], MEASURES))
    following = _share_right([row for row in tried if row["measure"] in PAIR])
    abilities = _share_right([row for row in tried if row["measure"] not in PAIR])
    left = {name: following[name] - abilities.get(name, 0.0) for name in tops}
    score = min(tops, key=lambda name: (round(left[name], 9), list(tops).index(name)))
    strengths = {f"amplified x{factor:g}": factor - 1 for factor in plan.factors}
    stronger = [Condition(name, steps.head_set(tops[score], strength)) for name, strength in strengths.items()]
    amplified = records(steps.tried("choose-strength", "validation", stronger, PAIR))
    best = choose_strength(amplified, strengths)
    return {
        "score": score,
        "share": plan.share,
        "count": count,
        "heads": [list(head) for head in tops[score]],
        "roles": [scores[score].role(head) for head in tops[score]],
        "validation": following,
        "validation_abilities": abilities,
        "amplification": best,
        "strength": strengths[best],
        "amplifications": _share_right(amplified),
    }


def _share_right(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the share of right answers under each condition."""
    return {name: sum(row["correct"] for row in part) / len(part) for (name,), part in grouped(rows, "condition")}


def _conditions(
    plan: CircuitsPlan, steps: CircuitSteps, scores: HeadScores, chosen: tuple[Any, ...], strength: float
) -> list[Condition]:
    """List what is tried on test items: the chosen heads, smaller and larger sets, and controls of the same size."""
    model, everything = steps.model, every_head(steps.model)
    sets = {"blocked": chosen}
    for share in plan.shares:
        count = how_many(len(everything), share)
        if count != len(chosen):
            sets[f"blocked top {count}"] = top_heads(scores.mean(), count)
    for target in PAIR:
        sets[f"blocked top for {target}"] = top_heads(scores.mean(target), len(chosen))
    for number in range(1, plan.random_sets + 1):
        sets[f"random {number}"] = random_heads(everything, chosen, plan.seed + number)
        sets[f"same layers {number}"] = layer_matched_heads(everything, chosen, plan.seed + number)
    at = tuple(place for place in SCOPES[plan.scope] if place != "generated")
    sets["same norms"] = norm_matched_heads(mean_norms(model, steps.cases, at), chosen)
    if scores.signed:
        sets["shuffled labels"] = top_heads(shuffled(scores, plan.seed).mean(), len(chosen))
    sets["lowest"] = top_heads(-scores.mean(), len(chosen))
    means = torch.stack([mean_outputs(model, steps.cases, part) for part in parts_of(plan.scope)])
    values = torch.stack([means[:, layer, head] for layer, head in chosen], 1)
    by_mean = steps.head_set(chosen, -1.0, reference="mean", values=values)
    return [
        Condition("intact"),
        *(Condition(name, steps.head_set(heads, -1.0)) for name, heads in sets.items() if heads),
        Condition("blocked by mean", by_mean),
        Condition(f"amplified x{1 + strength:g}", steps.head_set(chosen, strength)),
        Condition(f"random amplified x{1 + strength:g}", steps.head_set(sets["random 1"], strength)),
    ]


def _save(steps: CircuitSteps, folder: RunFolder, chosen: tuple[Any, ...], strength: float) -> None:
    """Save the chosen heads, amplified, as an artifact for each modality."""
    fingerprint = items_fingerprint(steps.items["score"])
    fitted = remembered([*steps.items["score"], *steps.items["validation"]])
    for target in PAIR:
        HeadSet.of(
            steps.model,
            target,
            chosen,
            strength=strength,
            scope=steps.plan.scope,
            instruction=INSTRUCTIONS[target],
            data_fingerprint=fingerprint,
            fitted_items=fitted,
        ).save(folder.path / "artifacts" / f"heads-{target}")


def read_circuits(run: str | Path) -> dict[str, Any]:
    """Read the summary of a circuits study.

    Raises:
        RunFolderError: There is none, or it is broken.
        UsageError: It is that of another study.
    """
    summary = read_summary(run)
    if summary.get("study") != KIND or summary.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"`run` must be the folder of a circuits study of schema version {SCHEMA_VERSION}; {run} holds "
            f"{summary.get('study')!r}, version {summary.get('schema_version')}; run trimtab circuits again."
        )
    return summary


def _rounded(value: Any) -> Any:
    """Round numbers for reading."""
    if isinstance(value, dict):
        return {key: float(f"{v:.4g}") if key == "p" else _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, DIGITS) if isinstance(value, float) else value
