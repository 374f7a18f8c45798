"""What the numbers say, in plain sentences."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from trimtab.bundled import SMOL
from trimtab.pocket import CHECKPOINTS
from trimtab.report.methods import choosers, main_pair, method_name, method_phrase, reference_of
from trimtab.report.paper import ORDER
from trimtab.report.tables import SIGNIFICANCE, p_value, percent, points, signed
from trimtab.studies import ALL_TASKS, SWEPT
from trimtab.studies.kit.statistics import smallest_shown

Summary = dict[str, Any]


def headline(summary: Summary) -> str:
    """Say whether the answers can be moved toward the target, and what moves them furthest, case by case.

    What is furthest is the highest following rate less collapse, as on validation items. Where a case does not move,
    how large a shift would have been needed is said, so that few items do not read as no effect.
    """
    moved, cases = _moved_cases(summary)
    return f"{moved} Furthest on these items: {'; '.join(cases)}." if cases else moved


def outcome(summary: Summary) -> str:
    """Say in one sentence whether the answers can be moved toward the target."""
    return _moved_cases(summary)[0]


def _moved_cases(summary: Summary) -> tuple[str, list[str]]:
    totals = [r for r in summary["rows"] if r["chosen"] and r["task"] == ALL_TASKS and r["protocol"] == SWEPT]
    cases, moved = [], 0
    for model, target in dict.fromkeys((r["model"], r["target"]) for r in totals):
        rows = {r["method"]: r for r in totals if (r["model"], r["target"]) == (model, target)}
        start = rows.pop("none", None)
        if start is None or not rows:
            continue
        best = max(rows.values(), key=lambda r: r["following"] - r["collapse"])
        moved += _beats_no_steering(summary, best)
        cases.append(
            f"{model}, {target}: {method_name(best['method'])} {percent(best['following'])} % "
            f"({percent(start['following'])} % without; {percent(best['collapse'])} % collapse)"
        )
    if not cases:
        return "This study compares no method with no steering.", []
    few = "" if moved == len(cases) else _least_shift(summary, min(r["n"] for r in totals))
    return f"Answers move toward the target beyond chance in {moved} of {len(cases)} cases{few}.", cases


def _least_shift(summary: Summary, items: int) -> str:
    """Say how large a shift against no steering must be before so many items can show it."""
    counts = Counter(r["method"] for r in summary["paired"] if r["baseline"] == "none")
    least = smallest_shown(items, max(counts.values(), default=1))
    if least is None:
        return f": {items} items are too few to tell"
    return f"; on {items} items a shift below {percent(least)} points could not have been shown"


def _beats_no_steering(summary: Summary, row: dict[str, Any]) -> bool:
    where = {key: row[key] for key in ("model", "protocol", "target", "method")} | {"baseline": "none"}
    return any(
        r["p_holm"] < SIGNIFICANCE and r["difference"] > 0 for r in summary["paired"] if where.items() <= r.items()
    )


def pair_verdict(summary: Summary) -> str:
    """Say in one sentence how the pair that a study is asked to decide compares, over all models and targets."""
    pair = main_pair(summary)
    rows = [r for r in summary["paired"] if (r["method"], r["baseline"]) == pair]
    if pair is None:
        return "This study does not compare a method with the one that decides its worth."
    better = sum(r["p_holm"] < SIGNIFICANCE and r["difference"] > 0 for r in rows)
    worse = sum(r["p_holm"] < SIGNIFICANCE and r["difference"] < 0 for r in rows)
    level = len(rows) - better - worse
    name, baseline = (method_name(m) for m in pair)
    if level == len(rows):
        return f"{name} and {baseline} cannot be told apart in any of {len(rows)} comparisons."
    parts = [
        text
        for count, text in (
            (better, f"better in {better}"),
            (worse, f"worse in {worse}"),
            (level, f"not distinguishable in {level}"),
        )
        if count
    ]
    return f"Against {baseline}, {name} is {listed(parts)} of {len(rows)} comparisons."


def verdicts(summary: Summary) -> list[str]:
    """Say, for each model and target, what each method did, and whether the pair to decide differs."""
    totals = [r for r in summary["rows"] if r["chosen"] and r["task"] == ALL_TASKS]
    decided = main_pair(summary) or ("", "")
    pairs = [r for r in summary["paired"] if (r["method"], r["baseline"]) == decided]
    sentences = []
    for protocol, model, target in dict.fromkeys((r["protocol"], r["model"], r["target"]) for r in totals):
        where = {"protocol": protocol, "model": model, "target": target}
        rows = {r["method"]: r for r in totals if where.items() <= r.items()}
        pair = {**where, "method": decided[0], "baseline": decided[1]}
        parts = [
            _moved(model, target, protocol, rows),
            *_ordered(rows),
            *_closed_loop(summary, where),
            *_broken(summary["controls"], model, target),
            _paired(next((r for r in pairs if pair.items() <= r.items()), None), len(pairs)),
        ]
        sentences.append(" ".join(parts).strip())
    return sentences


def _ordered(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Say whether the paper's order of methods holds."""
    if not set(ORDER) <= set(rows):
        return []
    rates = [rows[m]["following"] for m in ORDER]
    names = " < ".join(method_name(m) for m in ORDER)
    if all(a < b for a, b in pairwise(rates)):
        return [f"The rates are in the paper's order, {names}."]
    found = sorted(ORDER, key=lambda m: rows[m]["following"])
    rising = ", ".join(f"{method_name(m)} {percent(rows[m]['following'])}" for m in found)
    if all(a <= b for a, b in pairwise(rates)):
        return [f"The rates are in the paper's order, {names}, but for ties: {rising}."]
    return [f"The rates are not in the paper's order, {names}: from the lowest, {rising}."]


def _closed_loop(summary: Summary, where: dict[str, str]) -> list[str]:
    """Say how near a method that chooses each item's strength comes to the best one of each, without labels."""
    found = []
    for chooser in choosers(summary):
        rows = {r["method"]: r for r in summary["oracle"] if where.items() <= r.items() and chooser in r["beside"]}
        beside = next((rows[method] for method in reference_of(summary, chooser) if method in rows), None)
        if beside is not None:
            found.append(
                f"On the {beside['n']} items tried at every strength, {method_name(beside['method'])} reaches "
                f"{percent(beside['best_fixed'])} % with its best single strength and {percent(beside['following'])} % "
                f"with the best of {beside['strengths']} for each item; {method_phrase(chooser)}, which chooses "
                f"without labels, reaches {percent(beside['beside'][chooser])} %."
            )
    return found


def _broken(controls: list[dict[str, Any]], model: str, target: str) -> list[str]:
    """Say what the method that breaks most loses on items without a conflict."""
    rows = [
        r for r in controls if (r["model"], r["target"]) == (model, target) and r["chosen"] and r["method"] != "none"
    ]
    if not rows:
        return []
    worst = min(rows, key=lambda r: r["difference"])
    if worst["difference"] >= 0:
        return ["Without a conflict, no method loses accuracy."]
    return [
        f"Without a conflict, {method_name(worst['method'])} loses most: {points(worst['difference'])[1:]} points of "
        f"accuracy on {items_of(worst['kind'])}."
    ]


def items_of(kind: str) -> str:
    """Say which items a kind of control has, in a sentence."""
    if kind == "both":
        return "items that need both"
    alone = kind.removesuffix("_only")
    article = "an" if kind.startswith(("a", "i")) else "a"
    return f"{alone}-only items" if kind != alone else f"items with {article} {kind.replace('_', ' ')}"


def cautions(summary: Summary) -> list[str]:
    """Say what results on these models can and cannot show."""
    found = [
        "A following rate counts only if it is read beside its collapse rate: a model that answers nonsense follows "
        "nothing. Collapse here is the share of replies that are empty, unreadable or looping, and, on the bundled "
        "benchmark, whose answers are all known, of those that are none of them; it is part of the other rate.",
        "Layer, strength and reading were chosen on validation items, and every rate above is from test "
        "items that no method has seen. Intervals cover the choice of items, not the choice of seed or of model. Of "
        "methods fitted with several seeds, means over seeds are given, with their range; layer and strength are those "
        "chosen with the first seed.",
    ]
    found += [
        f"{method_name(r['method'])} toward the {r['target']} is left out on {r['model']}, which cannot take it: "
        f"{r['reason']}"
        for r in summary["refused"]
    ]
    if SMOL in summary["models"]:
        found.insert(
            0,
            f"{SMOL} is a language model of 135 million parameters that others trained, with eyes that have only seen "
            "drawn scenes. It can show whether what holds on the pocket models holds on a deeper model, which met no "
            "conflict while it learned to see. It cannot show how large an effect is on a 7B model or on photographs.",
        )
    pocket = [name for name in summary["models"] if name in CHECKPOINTS]
    if pocket:
        are = "is a small model" if len(pocket) == 1 else "are small models"
        found.insert(
            0,
            f"{' and '.join(pocket)} {are} (10 million parameters at most), trained on drawn scenes and generated "
            "sentences. Such models can show that every part works end to end on what really sees and reads, how the "
            "methods compare there, and how a shift of preference trades against collapse. They cannot show how "
            "large the effect is on a 7B model, on photographs or on free text: run the same study on your model "
            "before you rely on a number.",
        )
    return found


def _moved(model: str, target: str, protocol: str, rows: dict[str, dict[str, Any]]) -> str:
    start = rows.get("none")
    others = {m: r for m, r in rows.items() if m != "none"}
    reached = listed([f"{percent(r['following'])} % with {method_phrase(m)}" for m, r in others.items()])
    text = f"{model}, target {target}{'' if protocol == SWEPT else f', {protocol} protocol'}:"
    if start is not None:
        text += f" {percent(start['following'])} % of answers follow the {target} without steering"
        text += f"; {reached}." if others else "."
    else:
        text += f" answers that follow the {target} are {reached}."
    if not others:
        return text
    worst = max(others, key=lambda m: others[m]["collapse"])
    if not others[worst]["collapse"]:
        return f"{text} No reply collapses."
    return f"{text} At most {percent(others[worst]['collapse'])} % of replies collapse ({method_name(worst)})."


def _paired(pair: dict[str, Any] | None, comparisons: int) -> str:
    if pair is None:
        return ""
    name, baseline = method_name(pair["method"]), method_name(pair["baseline"])
    difference = (
        f"{name} minus {baseline} is {points(pair['difference'])} points (95 % interval "
        f"{points(pair['difference_low'])} to {points(pair['difference_high'])}, McNemar p {_p_values(pair)}, "
        f"Cohen's g {signed(pair['effect'])}, n = {pair['n']})"
    )
    if pair["p_holm"] >= SIGNIFICANCE:
        least = smallest_shown(pair["n"], comparisons)
        if least is None:
            return f"{difference}: too few items to tell."
        return f"{difference}: no difference is shown; one below {percent(least)} points could not have been."
    return f"{difference}: {name if pair['difference'] > 0 else baseline} is better here."


def _p_values(pair: dict[str, Any]) -> str:
    plain, corrected = (_equals(pair[key]) for key in ("p", "p_holm"))
    if plain == corrected:
        return f"{plain} with and without Holm's correction"
    return f"{plain}, {corrected} with Holm's correction"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def listed(parts: list[str]) -> str:
    """Write parts as a list in a sentence."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
