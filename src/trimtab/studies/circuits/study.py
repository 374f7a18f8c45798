"""The circuits study: where and by which heads a model decides a conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from trimtab.circuits import abilities_of, measures_among
from trimtab.circuits.task import answered
from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import opened
from trimtab.errors import UsageError
from trimtab.items import Item, Items, items_fingerprint, split_items
from trimtab.items.admission import check_items
from trimtab.modalities import Modality
from trimtab.models import require_heads_added
from trimtab.studies.circuits.claims import answer_claims
from trimtab.studies.circuits.curves import (
    beyond_controls,
    deep_sums,
    flow_curves,
    latent_decisions,
    layer_curves,
    lens_curves,
)
from trimtab.studies.circuits.losses import ability_changes, following_lost
from trimtab.studies.circuits.patching_summary import patching_summary
from trimtab.studies.circuits.plan import CircuitsPlan
from trimtab.studies.circuits.results import choice_of, rows_of, scores_of
from trimtab.studies.circuits.steps import CircuitSteps
from trimtab.studies.circuits.summary import choices, condition_rates, head_rows, perplexities, recovery
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.records import Record, records
from trimtab.studies.kit.study import KINDS, Outcome, Results, Step

DIGITS = 6
LEAST_ITEMS = 8
PARTS = {"score": 0.3, "validation": 0.25, "test": 0.45}


@KINDS.register
@dataclass(eq=False)
class CircuitsStudy:
    """Explain a model.

    Knockout curves, lens, layers and head scores on one part of the items; the score and the amplification are chosen
    on a second part; the chosen heads are blocked and amplified, beside controls, on a third.
    """

    kind: ClassVar[str] = "circuits"
    schema_version: ClassVar[int] = 3
    sections: ClassVar[tuple[str, ...]] = ("head", "task", "flow", "lens", "patching", "heads", "interventions")
    plan_type: ClassVar[type] = CircuitsPlan

    plan: CircuitsPlan
    _found: dict[str, Items] | None = field(default=None, init=False)

    def models(self) -> tuple[str, ...]:
        """Return the plan's one model."""
        return (self.plan.model,)

    def check(self, model: ModelOrEngine) -> None:
        """Refuse an engine without the model at hand, and a model that cannot be split or is too small for the plan."""
        loaded = opened(model, Capability.GRADIENTS, Capability.WEIGHTS, owner="a circuits study")
        require_heads_added(loaded, "decompose")  # for layers and direct scores
        usual = CircuitsPlan.window  # on a model of fewer layers it is the whole depth
        if self.plan.window > max(usual, model.n_layers):
            raise UsageError(
                f"`window` of CircuitsPlan must be at most the {model.n_layers} layers of {model.name}; got "
                f"{self.plan.window}."
            )

    def data(self, bench: Bench) -> dict[str, Any]:
        """Return sizes and fingerprints of the items by part."""
        return {
            name: {"items": len(part), "fingerprint": items_fingerprint(part)}
            for name, part in self._parts(bench).items()
        }

    def steps(self, bench: Bench) -> list[Step]:
        """List the steps."""
        return list(self._steps(bench).steps())

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Average over cases and items, and answer the paper's claims."""
        plan, model, among = self.plan, bench.description(self.plan.model), self._steps(bench).modalities
        baseline, layers = records(done["baseline"].table), records(done["layers"].table)
        scores, choice = scores_of(done), choice_of(self.plan, done)
        tried = rows_of(done, "test")
        cut, latent = rows_of(done, "flow"), records(done["lens"].table)
        asked = {row["measure"] for row in tried}
        abilities = [m for m in measures_among(among) if m in asked and m not in among]
        scored = next(done[f"scores-{name}"].notes for name in scores)
        found = {
            "seed": plan.seed,
            "name": bench.model(plan.model).name,
            "model": model,
            "plan": plan.resolved(),
            "baseline": _baseline(baseline, among, done["baseline"].notes["skipped"]),
            "flow": flow_curves(cut, plan.seed),
            "beyond": beyond_controls(cut, plan.seed),
            "lens": lens_curves(latent, plan.seed),
            "latent": latent_decisions(latent),
            "layers": layer_curves(layers, baseline, plan.seed),
            "deep_sums": deep_sums(layers, baseline, model["layers"], plan.seed),
            "scored": {"cases": scored["cases"], "follow_both": scored["follow_both"]},
            "heads": head_rows(scores),
            "choices": choices(scores, plan.share, plan.seed),
            "choice": choice,
            "abilities": abilities,
            "rates": condition_rates(tried),
            "lost": following_lost(tried, among, plan.seed),
            "ability_changes": ability_changes([*tried, *rows_of(done, "abilities")], abilities),
            "recovery": recovery(tried, choice["amplification"], among),
            "patching": patching_summary(done, baseline, among, model["layers"], plan.seed),
            "perplexity": perplexities(records(done["perplexity"].table)),
        }
        summary = _rounded(found)
        summary["skipped"] = records(done["admission"].table)
        summary["claims"] = [claim._asdict() for claim in answer_claims(summary)]
        return Outcome(summary, {})

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return None: the bands and tests of earlier versions do not hold over layers, and cannot be made to."""
        return None

    def _steps(self, bench: Bench) -> CircuitSteps:
        return CircuitSteps(self.plan, bench, self._parts(bench))

    def _parts(self, bench: Bench) -> dict[str, Items]:
        """Share items among the parts.

        Raises:
            UsageError: They are too few, share too much of what they show, or differ in their modalities.
        """
        if self._found is None:
            plan = self.plan
            sizes = {"score": plan.score_items, "validation": plan.validation_items, "test": plan.test_items}
            items = check_items(bench.items(plan.data), "`items` of circuits")
            if len(items) < LEAST_ITEMS:
                raise UsageError(
                    f"`items` of circuits must be at least {LEAST_ITEMS}, to score heads, choose among them and test "
                    f"them on different ones; got {len(items)}; a verdict takes some 40."
                )
            _check_conflicts(items)
            split = split_items(items, PARTS, plan.seed)
            found = {name: choose_items(split[name], size, plan.seed) for name, size in sizes.items()}
            ranked = choose_items(split["test"], len(split["test"]), plan.seed)  # begins with the test items
            further = further_items(found["test"], ranked[plan.test_items :], plan.ability_items)
            self._found = {**found, "abilities": further}
        return self._found


def further_items(tested: Sequence[Item], others: Sequence[Item], wanted: int) -> Items:
    """Take items until each plain ability can be asked of so many, tested ones included, as far as there are any."""
    asked, found = Counter(ability for item in tested for ability in abilities_of(item)), Items()
    for item in others:
        own = abilities_of(item)
        if any(asked[ability] < wanted for ability in own):
            asked.update(own)
            found.append(item)
    return found


def _check_conflicts(items: Sequence[Item]) -> None:
    """Refuse items that do not all set the same modalities, two or more, against each other."""
    among = answered(items[0])
    for item in items:
        if answered(item) != among or not set(among) <= set(item.modalities):
            beside = "" if item is items[0] else f", item {items[0].id} of {_named(items[0])}"
            raise UsageError(
                "`items` of a circuits study must all set the same modalities, two or more, against each other; item "
                f"{item.id} has evidence of {_named(item)}{beside}; leave out those that differ or have fewer."
            )


def _named(item: Item) -> str:
    return " and ".join(item.modalities) or "nothing"


def _baseline(rows: Sequence[Record], modalities: Sequence[Modality], skipped: int) -> list[Record]:
    found = []
    for target in modalities:
        own = [row for row in rows if row["target"] == target]
        shares = {
            label: sum(row["label"] == label for row in own) / len(own) for label in ("following", "opposite", "other")
        }
        found.append({"target": target, "n": len(own), "skipped": skipped, **shares})
    return found


def _rounded(value: object) -> Any:
    """Round numbers for reading."""
    if isinstance(value, dict):
        return {key: float(f"{v:.4g}") if key == "p" else _rounded(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return round(value, DIGITS) if isinstance(value, float) else value
