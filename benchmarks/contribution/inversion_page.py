"""The figure and the page of what AMPS's score measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pages import table

from trimtab.modalities import PAIR
from trimtab.report.style import INK, MODALITY_COLOURS, QUIET, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIGMAS = (0.1, 0.3, 1.0, 2.0)
KINDS = {"both": "#0072B2", "keys": "#D55E00", "values": "#009E73"}
HELD = "{}, 1.0, attention held"


def save_figure(found: dict[str, Any], path: Path) -> None:
    """Draw areas and attention against the size of the noise for each model, and the planted models."""
    models = list(found["models"])
    with figure_style() as new_figure:
        figure = new_figure(figsize=(3 * (len(models) + 1), 6.2), layout="constrained")
        panels = figure.subplots(2, len(models) + 1)
        for place, name in enumerate(models):
            _areas(panels[0][place], found["models"][name], name)
            _attention(panels[1][place], found["models"][name], name)
        panels[0][0].set_ylabel("AUC of the image's share of the change", fontsize=8)
        panels[1][0].set_ylabel("attention to the noisy modality", fontsize=8)
        panels[0][0].legend(fontsize=7, loc="lower left")
        panels[1][0].legend(fontsize=7)
        _planted(panels[0][-1], found["planted"], "small noise")
        _planted(panels[1][-1], found["planted"], "KL, sigma 1")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", metadata={"Software": None})


def _areas(panel: Axes, part: dict[str, Any], name: str) -> None:
    for kind, colour in KINDS.items():
        rows = [part[f"noise/{kind}, {sigma}"]["kl"] for sigma in SIGMAS]
        areas = [row["auroc"] for row in rows]
        errors = [[row["auroc"] - row["low"] for row in rows], [row["high"] - row["auroc"] for row in rows]]
        label = "noise on keys and values" if kind == "both" else f"on {kind} alone"
        panel.errorbar(SIGMAS, areas, yerr=errors, color=colour, marker="o", markersize=3.5, linewidth=1.2, label=label)
        if (held := part.get(f"noise/{HELD.format(kind)}")) is not None:
            panel.plot(1.0, held["kl"]["auroc"], "*", color=colour, markersize=11)
    panel.axhline(
        part["noise/hidden, 1.0"]["kl"]["auroc"], color=INK, linewidth=1, linestyle=":", label="entries hidden"
    )
    panel.axhline(0.5, color=QUIET, linewidth=0.7)
    panel.set_xscale("log")
    panel.set_xticks(SIGMAS, [str(sigma) for sigma in SIGMAS])
    panel.minorticks_off()
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("sigma")
    panel.set_title(f"{name}\n(stars: attention held)", fontsize=9)


def _attention(panel: Axes, part: dict[str, Any], name: str) -> None:
    for m in PAIR:
        means = [part[f"noise/keys, {sigma}"]["means"] for sigma in SIGMAS]
        panel.plot(
            SIGMAS,
            [own[f"attention/{m}"] for own in means],
            color=MODALITY_COLOURS[m],
            marker="o",
            label=f"keys of the {m}",
        )
        panel.axhline(means[0][f"clean/{m}"], color=MODALITY_COLOURS[m], linewidth=0.8, linestyle=":")
    panel.set_xscale("log")
    panel.set_xticks(SIGMAS, [str(sigma) for sigma in SIGMAS])
    panel.minorticks_off()
    panel.set_ylim(0, 1)
    panel.set_xlabel("sigma of noise on keys", fontsize=8)
    panel.set_title(f"{name}\n(dotted: without noise)", fontsize=9)


def _planted(panel: Axes, rows: list[dict[str, Any]], reading: str) -> None:
    weights = list(dict.fromkeys(row["weight"] for row in rows))
    for number, weight in enumerate(weights):
        own = [row for row in rows if row["weight"] == weight]
        shade = 0.35 + 0.3 * number
        tokens = [row["tokens"] for row in own]
        panel.plot(
            tokens, [row[reading] for row in own], "o-", color=KINDS["both"], alpha=shade, label=f"weight {weight}"
        )
        panel.plot(tokens, [row["Shapley"] for row in own], "s--", color=INK, alpha=shade, markersize=3)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("picture tokens with the evidence", fontsize=8)
    panel.set_title(f"planted: share by {reading}\n(dashed: Shapley)", fontsize=9)
    panel.legend(fontsize=7)


HEAD = """# What does AMPS's score measure?

AMPS (arXiv 2602.12533) adds Gaussian noise to the cached keys and values of a modality, and takes how strongly the
answer reacts, `|grad L|^2 / L`, as the modality's contribution, or *susceptibility*. Does a modality with a high score
decide the answer? Do items with a high score flip? This page tests both, with {items} validation items and the context
as text, on the two pocket models, which we trained, and on [smol-llava](smol.md), whose language model others trained.
`python -m benchmarks.contribution.inversion --models pocket-qwen pocket-llava smol-llava` writes it; the numbers are in
[`what_the_score_measures.json`](what_the_score_measures.json).

## In short

"""


def write(found: dict[str, Any], figure: str) -> str:
    """Return the page as Markdown."""
    parts = [
        HEAD.format(items=found["settings"]["items"]) + _short(found),
        f"![AUC and attention against the size of the noise]({figure})\n",
        "Top: how well the image's share of the answer's change (mean KL divergence under noise on a "
        "modality) tells answers "
        "from the image from answers from the text; 0.5 is chance, below it the share points the wrong way; "
        "bars are 95 % "
        "intervals. Bottom: the query's mean attention to a modality when its keys are noisy. Right: planted "
        "models that mix "
        "picture and text with a known weight, whose picture says the same in ever more tokens.\n",
        "## 1. Noise: which size, where, what\n",
        _noise_table(found),
        "## 2. Redundancy\n",
        _redundancy(found["planted"]),
    ]
    told = {name: part for name, part in found["models"].items() if "foretold" in part}
    if told:
        parts += ["## 3. Does it foretell flips?\n", _flips(told)]
    steered = {name: part for name, part in told.items() if "steered" in part}
    if steered:
        parts += ["## 4. Does a valid ratio help AMPS?\n", _steered(steered)]
    return "\n".join(parts)


def _short(found: dict[str, Any]) -> str:
    lines = []
    for name, part in found["models"].items():
        keys, values, held, hidden = (
            _area(part[f"noise/{reading}"]["kl"])
            for reading in ("keys, 1.0", "values, 1.0", HELD.format("keys"), "hidden, 1.0")
        )
        lines.append(
            f"- **{name}.** Noise of one standard deviation on *keys* changes the answer most where it does *not* "
            f"come from "
            f"the noisy modality: AUC {keys}. Noise on *values* alone: {values}. Noise on keys while each head "
            f"pays the "
            f"modality as much attention as without noise: {held}. Hiding the entries instead: {hidden}. "
            f"AMPS's score, the gradient over the change, with noise on both: {_scores(part)}."
        )
    held = "; ".join(_held(name, part) for name, part in found["models"].items())
    lines.append(
        "- Noise on keys makes their scores vary, and the softmax prefers large ones. So it draws attention *to* the "
        "noisy modality, away from the other. That does most harm where the other one was in use. Holding attention "
        "fixed takes the inversion away; that is the test of this explanation. How well the change of the answer then "
        f"tells whose answer it is, with noise on both: {held}."
    )
    lines += [_foretells(name, part["foretold"]) for name, part in found["models"].items() if "foretold" in part]
    lines += [_helps(name, part["steered"]) for name, part in found["models"].items() if "steered" in part]
    return "\n".join(lines) + "\n"


def _scores(part: dict[str, Any]) -> str:
    return ", ".join(f"{_area(part[f'noise/both, {sigma}']['score'])} at {sigma}" for sigma in SIGMAS)


def _held(name: str, part: dict[str, Any]) -> str:
    reading = HELD.format("both")
    return f"{name} {_area(part[f'noise/{reading}']['kl'])}"


def _foretells(name: str, rows: list[dict[str, Any]]) -> str:
    """Count, for each measure, the kinds of flips that it foretells, and those that it foretells turned round."""
    told = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        known = [row for row in rows if row["measure"] == measure and "auroc" in row]
        above, below = sum(row["low"] > 0.5 for row in known), sum(row["high"] < 0.5 for row in known)
        told.append(f"{measure}: {above} up, {below} down of {len(known)}")
    measures = dict.fromkeys(row["measure"] for row in rows)
    kinds = max(sum(row["measure"] == measure and "auroc" in row for row in rows) for measure in measures)
    end = "" if any(_one_direction(rows, measure) for measure in measures) else " No measure has one direction for all."
    few = " One kind of flip tells nothing of a direction for all." if kinds == 1 else ""
    return (
        f"- **{name}: flips.** Kinds of flips whose interval, not corrected for their number, lies above chance (items "
        f"with more of the measure flip) and below (items with less flip): {'; '.join(told)}.{end}{few}"
    )


def _one_direction(rows: list[dict[str, Any]], measure: str) -> bool:
    known = [row for row in rows if row["measure"] == measure and "auroc" in row]
    return all(row["low"] > 0.5 for row in known) or all(row["high"] < 0.5 for row in known)


def _helps(name: str, rows: list[dict[str, Any]]) -> str:
    """Say whether AMPS by any ratio follows its target more than L2S."""
    others = [row for row in rows if row["method"] != "l2s"]
    if not _tested(rows):
        return f"- **{name}: AMPS.** Not tested: at this strength all scalings answer as L2S does, within a point."
    above = [f"{row['method']} to the {row['target']}" for row in others if row["interval"][0] > 0]
    below = [f"{row['method']} to the {row['target']}" for row in others if row["interval"][1] < 0]
    luck = " A shuffled control is among the better, so it is not shown that it matters which item gets which strength."
    return (
        f"- **{name}: AMPS.** Better than L2S at equal strength, each by its own interval, not corrected for their "
        f"number: {'; '.join(above) or 'none'}. Worse: {'; '.join(below) or 'none'}. For the others no difference is "
        f"shown.{luck if any('shuffled' in name for name in above) else ''}"
    )


def _tested(rows: list[dict[str, Any]]) -> bool:
    """Whether any scaling changes answers; where a vector does next to nothing, its scaling cannot be judged."""
    return any(abs(row["difference"]) > 0.01 for row in rows if row["method"] != "l2s")


def _area(row: dict[str, Any] | None) -> str:
    return "" if not row or "auroc" not in row else f"{row['auroc']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _noise_table(found: dict[str, Any]) -> str:
    models = list(found["models"])
    first = found["models"][models[0]]
    rows = []
    for key in (key for key in first if key.startswith("noise/")):
        name = key.removeprefix("noise/")
        whats = [what for what in ("kl", "gradient", "score", "ratio") if what in first[key]]
        for what in whats:
            cells = [found["models"][m].get(key, {}).get(what) for m in models]
            both = [(_area(cell), f"{cell['rho']:+.2f}" if cell else "") for cell in cells]
            label = {"kl": "change", "gradient": "gradient", "score": "score", "ratio": "share"}[what]
            rows.append([name, label, *(text for pair in both for text in pair)])
    columns = ["reading, sigma", "of", *(f"{m}: {what}" for m in models for what in ("AUC", "rank correlation"))]
    return (
        "AUC of the image's share for 'answered from the image', and its rank correlation with the share by "
        "Shapley values. "
        "*change* is the mean KL divergence under noise, *gradient* its squared gradient, *score* their "
        "quotient, the "
        "paper's form. *hidden* cuts half or all of a modality's entries off from the query.\n\n" + table(columns, rows)
    )


def _redundancy(rows: list[dict[str, Any]]) -> str:
    names = ["small noise", "KL, sigma 1", "Shapley"]
    cells = [[row["weight"], row["tokens"], *(f"{row[name]:.2f}" for name in names)] for row in rows]
    return (
        "A planted model's picture is read as an average, so n equal tokens each have 1/n of the effect. For "
        "small noise the "
        "image's share falls as the same evidence is spread over more tokens, while what the picture does to "
        "the answer "
        "(Shapley) stays: redundant evidence scores low. These models read image and text by separate heads, so that "
        "attention cannot pass from one to the other, and at sigma 1 their shares keep the order of the "
        "weights: without "
        "that passage there is no inversion here. Whether redundancy also lowers the score in the "
        "trained models is not "
        "shown.\n\n" + table(["weight of the image", "picture tokens", *(f"share, {name}" for name in names)], cells)
    )


def _flips(told: dict[str, Any]) -> str:
    text = (
        "Items at risk are those not answered from the target. Is the target's share, measured without "
        "steering, higher in "
        "those that an instruction or the mean vector brings to it? Area under the ROC curve; below 0.5 "
        "those with the "
        "*lower* share flip. The sum of both scores and the margin are the same for both targets. Empty: "
        "fewer than 8 items "
        "of either kind.\n"
    )
    for name, part in told.items():
        ways = list(dict.fromkeys(row["way"] for row in part["foretold"]))
        counts = {row["way"]: f"{row['flips']} of {row['n']} flip" for row in part["foretold"]}
        measures = dict.fromkeys(row["measure"] for row in part["foretold"])
        by = {(row["way"], row["measure"]): row for row in part["foretold"]}
        rows = [[measure, *(_area(by[way, measure]) for way in ways)] for measure in measures]
        text += f"\n**{name}**\n\n" + table(["measure", *(f"{way} ({counts[way]})" for way in ways)], rows)
    return text


def _points(*shares: float) -> str:
    value, low, high = (f"{100 * share:+.1f}" for share in shares)
    return f"{value} ({low} to {high})"


def _steered(told: dict[str, Any]) -> str:
    text = (
        "L2S and AMPS at the same layer and strength; all scalings have mean 1. *prose* gives more "
        "strength to items that "
        "lean away from the target, *normalised* to those with a high visual ratio. Items that follow the "
        "target, in percent, "
        "mean of three seeds; difference from L2S in points with its 95 % interval over items.\n"
    )
    for name, part in told.items():
        if not _tested(part["steered"]):
            text += (
                f"\n**{name}**: at this strength all scalings answer as L2S does, within a point; nothing is tested.\n"
            )
            continue
        rows = [
            [
                row["target"],
                row["method"],
                f"{100 * row['following']:.1f}",
                "" if row["method"] == "l2s" else _points(row["difference"], *row["interval"]),
            ]
            for row in part["steered"]
        ]
        first = part["steered"][0]
        text += f"\n**{name}**, {first['n']} items, strength {first.get('strength', 1):g}\n\n"
        text += table(["target", "method", "follow", "difference from L2S"], rows)
    return text
