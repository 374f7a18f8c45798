"""The validation page: tables and the conclusions that follow from them."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.pages import table

HEAD = """# Which measure tells which modality a model uses?

**Shapley values do** ([what they are](contribution.md)); they are the default, and have a page of
[held-out items](contribution_held_out.md). **AMPS's Modality Contribution Score hardly does**;
[what it measures instead](what_the_score_measures.md). This page compares all methods and readings.

`python -m benchmarks.contribution.validity --models pocket-qwen pocket-llava smol-llava` writes this page. The numbers
are in [`contribution_validity.json`](contribution_validity.json), and every conclusion is chosen from them by a rule.
[`contribution.md`](contribution.md) explains the options.
"""

FLAT = 0.1
"""A power this near to 0 counts as none."""


def write(found: dict[str, Any], figures: dict[str, str], folder: str) -> str:
    """Return the page as Markdown; figures lie in ``folder``."""
    parts = [
        HEAD,
        _made(found),
        "## 1. Planted truth\n",
        _planted(found["planted"]),
        f"![Visual ratio of planted models]({folder}/{figures['planted']})\n",
        _token_counts(found["token_counts"]),
        "## 2. Noise\n",
        _sigma(found["sigma"], found["convergence"]),
        f"![Scores against sigma]({folder}/{figures['sigma']})\n",
        "## 3. Trained models\n",
        f"![Visual ratio by task and instruction]({folder}/{figures['ratio']})\n",
    ]
    for name, part in found["models"].items():
        parts += [f"### {name}\n", _instructions(_named(part, "instructions")), _foretold(part["foretold"])]
        parts += [f"![Areas under the curve]({folder}/{figures[f'foretold-{name}']})\n", _agreement(part["agreement"])]
        parts += [_variance(part["variance"]), _precision(part["precision"])]
    parts += ["## 4. Answers\n", _answers(found)]
    return "\n".join(parts)


def _made(found: dict[str, Any]) -> str:
    made = found["settings"]
    places = ", ".join(f"{name} on {part['device']}" for name, part in found["models"].items())
    return (
        f"{made['items']} test items of pocket-mc2, seed {made['seed']}, trimtab {made['version']}. Times are of where "
        f"each was measured: {places}.\n"
    )


def _named(part: dict[str, Any], group: str) -> dict[str, Any]:
    """Return the results of a group by what each is of."""
    return {key.partition("/")[2]: own for key, own in part.items() if key.startswith(f"{group}/")}


def _planted(found: dict[str, Any]) -> str:
    methods = list(next(iter(found.values()))["order"])
    rows = [[m, *(part["order"][m] for part in found.values())] for m in methods]
    errors = ", ".join(f"{part['largest_error']:.1g} ({family})" for family, part in found.items())
    perfect = [m for m in methods if all(part["order"][m] > 0.999 for part in found.values())]
    return (
        "A planted model mixes the averages of image and text tokens with a weight that we choose. The ratio of the "
        "exact KL limit on values can be computed from the weight and the token counts. Measured and computed ratio "
        f"differ by at most {errors}. Rank correlation of weight and ratio over eleven weights:\n\n"
        f"{table(['method', *found], rows)}\n"
        f"These methods order all weights correctly for both families: {', '.join(perfect)}.\n"
    )


def _token_counts(rows: list[dict[str, Any]]) -> str:
    first, last = rows[0], rows[-1]
    slope, slope_by_token = (
        math.log(last[k] / first[k]) / math.log(last["tokens"] / first["tokens"]) for k in ("image", "by_token")
    )
    return (
        "**Token counts.** The planted model gives a picture of any size the same weight. "
        + f"Its score is proportional to the number of image tokens to the power {slope:.2f}, or {slope_by_token:.2f} "
        f"if the score is divided by that number. {_summing(slope)}\n\n"
        + table(["image tokens", "score", "score by token"], [[r["tokens"], r["image"], r["by_token"]] for r in rows])
    )


def _summing(slope: float) -> str:
    """Say what summing over a modality's tokens does to it, by the power of their number with which the score goes."""
    if slope > FLAT:
        return "Summing favours the modality with more tokens; dividing by the number lowers that power by one."
    if slope >= -FLAT:
        return "Summing favours neither modality; dividing by the number would favour the one with fewer tokens."
    return (
        "When attention is shared among n tokens, each has 1/n of the effect, and the squares sum to 1/n. So summing "
        "does not favour the modality with more tokens, and dividing by the number would count it twice."
    )


def _sigma(laws: dict[str, Any], limits: dict[str, Any]) -> str:
    slopes = table(["divergence", "exponent of sigma"], list(laws["slopes"].items()))
    smallest = limits["rows"][0]
    off = abs(smallest["mean"] - limits["limit"])
    agree = off <= 3 * smallest["error"]
    found = "agree" if agree else "differ"
    share = {k: v / limits["limit"] for k, v in limits["top_tokens"].items()}
    told = ", ".join(f"{v:.1%} with {k}" for k, v in share.items())
    return (
        f"{slopes}\nAt sigma {smallest['sigma']} the sampled KL score is {smallest['mean']:.4g} with a standard error "
        f"of {smallest['error']:.2g}, and the exact limit is {limits['limit']:.4g}: they {found} within three standard "
        f"errors. A single score of {limits['draws']} draws has a standard deviation of "
        f"{smallest['one'] / smallest['mean']:.1%} of the score; the limit has none. This random model's answers are "
        f"far from certain, so `top_tokens` matters: of the full limit, one gets {told} tokens.\n"
    )


def _instructions(by_method: dict[str, list[dict[str, Any]]]) -> str:
    rows = [
        [
            method,
            r["instruction"],
            r["n"],
            f"{r['difference']:+.3f}",
            f"{r['cohen_dz']:+.2f}",
            r["share_up"],
            f"{r['p']:.1g}",
        ]
        for method, found in by_method.items()
        for r in found
    ]
    columns = ["method", "instruction", "items", "mean change of ratio", "Cohen's d (paired)", "share up", "Wilcoxon p"]
    return f"Change of an item's visual ratio under an instruction:\n\n{table(columns, rows)}"


def _foretold(rows: list[dict[str, Any]]) -> str:
    outcomes = list(dict.fromkeys(r["outcome"] for r in rows))
    lines = []
    for method in dict.fromkeys(r["method"] for r in rows):
        cells = {r["outcome"]: r for r in rows if r["method"] == method}
        lines.append([method, *(_area(cells[o]) for o in outcomes)])
    counts = [f"{o}: {r['positives']} of {r['n']}" for o in outcomes for r in rows if r["outcome"] == o][:: len(lines)]
    return (
        "Does the ratio, measured without an instruction, predict what the model does? Area under the ROC curve with "
        f"its 95 % interval ({'; '.join(counts)}; empty if there are fewer than 8 of either kind):\n\n"
        f"{table(['method', *outcomes], lines)}"
    )


def _area(row: dict[str, Any]) -> str:
    return f"{row['auroc']:.2f} ({row['low']:.2f} to {row['high']:.2f})" if "auroc" in row else ""


def _agreement(found: dict[str, Any]) -> str:
    columns = ["method", "mean ratio", "correlation", "bias", "ms an item", "stability", "spread"]
    rows = [
        [r["method"], r["mean"], r["correlation"], r["bias"], f"{1000 * r['seconds']:.0f}", r["stability"], r["spread"]]
        for r in found["rows"]
    ]
    return (
        f"Agreement with exact Shapley values on {found['items']} items: rank correlation and bias of the ratio; "
        "stability is the rank correlation between seeds; spread is the standard deviation over seeds.\n\n"
        f"{table(columns, rows)}"
    )


def _variance(rows: list[dict[str, Any]]) -> str:
    lines = [[r["way"], r["spread"], f"{1000 * r['seconds']:.1f}"] for r in rows]
    return f"Sampling against the limit (kl, sigma 0.1):\n\n{table(['way', 'spread over seeds', 'ms an item'], lines)}"


def _precision(rows: list[dict[str, Any]]) -> str:
    good = [r["method"] for r in rows if r["spearman"] >= 0.95]
    bad = [r["method"] for r in rows if r["spearman"] < 0.95]
    lines = [[r["method"], r["spearman"], r["difference"]] for r in rows]
    told = f"At least 0.95: {', '.join(good) or 'none'}." + (f" Below: {', '.join(bad)}." if bad else "")
    return (
        "Ranks of items in bfloat16 against float32:\n\n"
        f"{table(['method', 'rank correlation', 'mean difference'], lines)}\n{told}\n"
    )


def _answers(found: dict[str, Any]) -> str:
    lines = []
    for name, part in found["models"].items():
        for r in part["instructions/default"]:
            expected = (r["difference"] > 0) == (r["instruction"] == "image")
            moved = "no" if r["p"] > 0.05 else "yes" if expected else "the other way"
            other = next(o for o in part["instructions/default"] if o["instruction"] != r["instruction"])
            lines.append(
                f"- {name}: does the instruction to follow the {r['instruction']} move the ratio towards it? {moved} "
                f"(mean change {r['difference']:+.3f}, d {r['cohen_dz']:+.2f}, p {r['p']:.1g}; the other instruction "
                f"moves it by {other['difference']:+.3f})."
            )
        for outcome in dict.fromkeys(r["outcome"] for r in part["foretold"]):
            lines.append(f"- {name}: does the ratio predict '{outcome}'? {_verdict(part['foretold'], outcome)}")
    return "\n".join(lines) + "\n"


def _verdict(rows: list[dict[str, Any]], outcome: str) -> str:
    areas = [r for r in rows if r["outcome"] == outcome and "auroc" in r]
    if not areas:
        return "There are too few items on one side to say."
    default = next(r for r in areas if r["method"] == "default")
    yes = [r["method"] for r in areas if r["low"] > 0.5]
    wrong = [r["method"] for r in areas if r["high"] < 0.5]
    best = max(areas, key=lambda r: r["auroc"])
    word = "Yes" if default["low"] > 0.5 else "It points the wrong way" if default["high"] < 0.5 else "Not shown"
    return (
        f"{word}: the default has {_area(default)}. Of {len(areas)} methods, {len(yes)} predict it (interval above "
        f"0.5) and {len(wrong)} point the wrong way (interval below 0.5). The best, chosen with hindsight, is "
        f"{best['method']} with {_area(best)}."
    )
