"""Find out what AMPS's score measures, and write the page about it.

    python -m benchmarks.contribution.inversion [--items 96] [--models pocket-qwen pocket-llava] [--out docs]

Only training and validation items are used. Writes ``what_the_score_measures.json``, a figure and
``what_the_score_measures.md``. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contribution import inversion_page, noise_probe, redundancy, susceptibility
from benchmarks.contribution.noise_probe import noisy
from benchmarks.contribution.validity import Numbers

from trimtab import Item, Model, __version__, load, read_items
from trimtab.contribution import AttentionMass, measure
from trimtab.contribution.shared_prefix import SharedPrefix
from trimtab.engine import generate
from trimtab.files import write_whole
from trimtab.items import judge
from trimtab.items.prompts import prompt_for
from trimtab.steering import TrainingSet, default_layer
from trimtab.studies import choose_items

NUMBERS, PAGE = "what_the_score_measures.json", "what_the_score_measures.md"
FIGURE = "images/contribution/what_the_score_measures.png"
DRAWS, SEEDS = 4, (0, 1, 2)
SIGMAS = (0.1, 0.3, 1.0, 2.0)
EMBEDDED = 48
"""Items of the reading with noise on embeddings, each of whose draws is a pass of the whole prompt."""


def readings(model: Model) -> dict[str, dict[str, Any]]:
    """Return sigma and options of each reading with noise on cached entries."""
    layers, third = range(model.n_layers), model.n_layers // 3
    parts = {"early": layers[:third], "middle": layers[third : 2 * third], "late": layers[2 * third :]}
    return {
        **{f"both, {sigma}": {"sigma": sigma} for sigma in SIGMAS},
        **{f"{kind}, {sigma}": {"sigma": sigma, "entries": kind} for kind in ("keys", "values") for sigma in SIGMAS},
        "keys, 1.0, attention held": {"sigma": 1.0, "entries": "keys", "held": True},
        "both, 1.0, attention held": {"sigma": 1.0, "held": True},
        **{f"{name} layers, 1.0": {"sigma": 1.0, "layers": tuple(part)} for name, part in parts.items()},
    }


def measure_noise(numbers: Numbers, part: dict[str, Any], model: Model, items: Sequence[Item]) -> None:
    """Measure what tells whose answer it is: noise of every size and place, hidden entries, attention, Shapley."""
    labels = numbers.add(part, "labels", lambda: _labels(model, items))
    effect = numbers.add(part, "effect", lambda: noise_probe.effects(measure(model, items), items))
    answered = [True if label == "image" else False if label == "text" else None for label in labels]
    rated = lambda ratios: noise_probe.rated(ratios, answered[: len(ratios)], effect[: len(ratios)])  # noqa: E731
    numbers.add(part, "noise/Shapley", lambda: {"ratio": rated(effect)})
    for name, options in readings(model).items():
        numbers.add(part, f"noise/{name}", lambda options=options: _under_noise(model, items, options, rated))
    for share in (0.5, 1.0):
        told = lambda share=share: noise_probe.hidden(model, items, share)  # noqa: E731
        numbers.add(part, f"noise/hidden, {share}", lambda told=told: {"kl": rated(noise_probe.shares(told(), "kl"))})
    looked = AttentionMass(text="context")
    numbers.add(
        part,
        "noise/attention",
        lambda: {"ratio": rated(noise_probe.effects(measure(model, items, method=looked), items))},
    )
    few, embedded = items[:EMBEDDED], noisy(1.0, 2, site="embeddings")
    numbers.add(
        part,
        "noise/embeddings, 1.0",
        lambda: {"score": rated(noise_probe.effects(measure(model, few, method=embedded), few))},
    )


def _under_noise(model: Model, items: Sequence[Item], options: dict[str, Any], rated: Any) -> dict[str, Any]:
    sigma, held = options["sigma"], options.get("held", False)
    kind = noise_probe.HeldAttention if held else SharedPrefix
    config = noisy(sigma, DRAWS, **{name: own for name, own in options.items() if name not in ("sigma", "held")})
    told = noise_probe.under_noise(model, items, config, kind)
    found: dict[str, Any] = {what: rated(noise_probe.shares(told, what)) for what in ("kl", "gradient", "score")}
    found["means"] = {name: sum(values) / len(values) for name, values in told.items()}
    return found


def _labels(model: Model, items: Sequence[Item]) -> list[str]:
    texts = generate(model, [prompt_for(item) for item in items], max_new_tokens=8).texts
    return [judge(text, item).label for text, item in zip(texts, items, strict=True)]


def measure_steering(numbers: Numbers, part: dict[str, Any], model: Model, more: int, few: int) -> None:
    """Measure what foretells flips, and AMPS by several ratios."""
    train = TrainingSet(model, choose_items(read_items("pocket-mc2:train"), 160, 0), [default_layer(model)])
    every = choose_items(read_items("pocket-mc2:validation"), more, 0)
    known = numbers.add(part, "known", lambda: susceptibility.foreknowledge(model, every))
    turned = numbers.add(part, "flips", lambda: susceptibility.flips(model, every, train))
    numbers.add(part, "foretold", lambda: susceptibility.foretold(every, known, turned))
    items = every[:few]
    numbers.add(part, "steered", lambda: susceptibility.steered(model, train, items, SEEDS))


def main() -> None:
    """Measure, then write numbers, figure and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["pocket-qwen", "pocket-llava"])
    parser.add_argument("--items", type=int, default=96)
    parser.add_argument("--at-risk-of", type=int, default=200, help="items of the flips")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    options = parser.parse_args()
    settings = {"items": options.items, "at_risk_of": options.at_risk_of, "draws": DRAWS, "version": __version__}
    numbers = Numbers(options.out / NUMBERS, settings, options.fresh)
    numbers.add(numbers.found, "planted", redundancy.planted)
    models = {name: load(name) for name in options.models}
    for name, model in models.items():
        items = choose_items(read_items("pocket-mc2:validation"), options.items, 0)
        measure_noise(numbers, numbers.model(name, model.fingerprint), model, items)
    for name, model in models.items():
        measure_steering(numbers, numbers.model(name, model.fingerprint), model, options.at_risk_of, options.items)
    inversion_page.save_figure(numbers.found, options.out / FIGURE)
    write_whole(options.out / PAGE, inversion_page.write(numbers.found, FIGURE))
    print(f"Page: {options.out / PAGE}")


if __name__ == "__main__":
    main()
