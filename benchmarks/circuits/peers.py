"""The full head sweep by the engine, by a plain loop and by the peers that can do it, side by side in one run.

    python -m benchmarks.circuits.peers [--models pocket-qwen pocket-llava] [--items 1] [--json FILE]

Every head of every decoder layer is silenced at the last prompt token, and the logits there are read. The peers are
no dependencies of trimtab; one that is not installed is skipped. Each works as its users would use it: on its own copy
of the Hugging Face model, with that model's native inputs, at the input of the attention's output projection; once
with a pass a head (``x1``) and once with a batch of copies a layer (``x8`` for eight heads). Peers compute the last
token's logits only, the plain loop all. All take turns on each case; times are processor seconds, on a GPU wall clock.
Each one's largest difference from the plain loop's logits is printed, so that a fast wrong answer cannot win.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from benchmarks.circuits.sweeps import ROUNDS, head_sweep
from torch import Tensor

from trimtab import Model, Row, load, read_items, run
from trimtab.circuits import Case, Cases, Head, build_cases, every_head
from trimtab.studies import choose_items

WRONG = 1e-3
Way = Callable[[Case], Tensor]
"""From a case to the logits of its sweep, a row a head."""
Silence = Callable[[Mapping[str, Any], Sequence[Head]], Tensor]
"""From a batch of copies of a prompt, and for each the head of one layer to silence, to the last token's logits."""


def head_paths(model: Model) -> list[str]:
    """Return for each layer the path of the module whose input is the heads' outputs."""
    names = {module: name for name, module in model.hf.named_modules()}
    return [names[model.family.head_outputs(layer)] for layer in model.family.layers(model.hf)]


def with_nnsight(model: Model) -> Silence:
    """Silence heads by one trace a batch."""
    wrapped: Any = importlib.import_module("nnsight").NNsight(model.hf)
    places, width = [wrapped.get(path) for path in head_paths(model)], model.head_dim

    def silence(inputs: Mapping[str, Any], heads: Sequence[Head]) -> Tensor:
        with torch.no_grad(), wrapped.trace(**inputs):
            for row, (layer, head) in enumerate(heads):
                places[layer].input[row, -1, head * width : (head + 1) * width] = 0
            logits = wrapped.output.logits[:, -1].save()
        return logits

    return silence


def with_pyvene(model: Model, repair: bool = False) -> Silence:
    """Silence heads by an intervention on one position of a layer, named by its path.

    pyvene removes every hook of the model at each call, not only its own. transformers reads LLaVA's picture features
    off hooks, and a private flag says that they are in place; ``repair`` resets it, so that they are set up again.
    """
    pyvene: Any = importlib.import_module("pyvene")
    mask = torch.ones(())
    tools = [
        pyvene.IntervenableModel(
            {"component": f"{path}.input", "intervention": lambda base, _source: base * mask.to(base)}, model=model.hf
        )
        for path in head_paths(model)
    ]

    def silence(inputs: Mapping[str, Any], heads: Sequence[Head]) -> Tensor:
        nonlocal mask
        kept = torch.ones(len(heads), 1, model.n_heads, model.head_dim, device=model.device)
        kept[range(len(heads)), :, [head for _, head in heads]] = 0
        mask = kept.flatten(2)
        for module in cast(Any, model.hf).modules() if repair else ():
            if hasattr(module, "_output_capturing_hooks_installed"):
                module._output_capturing_hooks_installed = False
        with torch.no_grad():
            _, output = tools[heads[0][0]](inputs, unit_locations={"base": inputs["input_ids"].shape[1] - 1})
        return output.logits[:, -1]

    return silence


PEERS: dict[str, tuple[str, dict[str, Callable[[Model], Silence]]]] = {
    "nnsight": ("0.8.1", {"as it is": with_nnsight}),
    "pyvene": ("0.1.8", {"as it is": with_pyvene, "transformers' hooks put back": partial(with_pyvene, repair=True)}),
}
"""For each peer the version this was written for, and the ways to use it, of which the first that works is timed."""


def sweep(silence: Silence, model: Model, copies: int, heads: Sequence[Head], case: Case) -> Tensor:
    """Sweep a case by a peer, in batches of heads of the same layer."""
    prompt = case.prompt
    inputs = model.family.native_inputs(model.hf, prompt.ids, prompt.media)
    batch = {name: torch.cat([value] * copies) for name, value in inputs.items()}
    batch |= {"use_cache": False, "logits_to_keep": 1}
    starts = range(0, len(heads), copies)
    return torch.cat([silence(batch, heads[start : start + copies]).float().cpu() for start in starts])


def engine(model: Model, heads: Sequence[Head], case: Case) -> Tensor:
    """Sweep a case by the engine, all heads of it, and return the logits of some."""
    places = {head: place for place, head in enumerate(every_head(model))}
    return run(model, head_sweep(model, Cases([case]))).logits[[places[head] for head in heads]]


def plain_loop(model: Model, heads: Sequence[Head], case: Case) -> Tensor:
    """Silence some heads of a case by trimtab's plain loop."""
    rows = dict(zip(every_head(model), head_sweep(model, Cases([case])), strict=True))
    return run(model, [rows[head] for head in heads], reuse=False).logits


def peer_ways(peer: str, name: str, heads: Sequence[Head], case: Case) -> dict[str, Way]:
    """Return the ways in which a peer sweeps a model; print each that fails, and why."""
    version, makers = PEERS[peer]
    try:
        importlib.import_module(peer)
    except ImportError as error:
        print(f"{peer}: skipped, {error}; pip install {peer}=={version}")
        return {}
    title = f"{peer} {importlib.metadata.version(peer)}"
    for how, make in makers.items():
        model = load(name)  # peers wrap modules and remove hooks, so each gets its own copy
        try:
            silence = make(model)
            sweep(silence, model, model.n_heads, heads, case)  # not one pass: a first may work and the next fail
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is the finding
            print(f"{title}, {how}: failed, {type(error).__name__}: {error}")
            continue
        print(f"{title}, {how}: works")
        return {f"{title} x{n}": partial(sweep, silence, model, n, heads) for n in (1, model.n_heads)}
    return {}


def every_way(model: Model, name: str, heads: Sequence[Head], case: Case) -> dict[str, Way]:
    """Return the engine, which does all heads, and the plain loop and the ways of installed peers, which do some."""
    ways: dict[str, Way] = {"engine": partial(engine, model, heads), "plain loop": partial(plain_loop, model, heads)}
    for peer in PEERS:
        ways |= peer_ways(peer, name, heads, case)
    return ways


def compare(
    ways: Mapping[str, Way], cases: Cases, clock: Callable[[], float], share: float = 1.0
) -> dict[str, dict[str, float]]:
    """Let all ways take turns on each case, and return medians of the rounds and the largest differences.

    Args:
        ways: See ``every_way``.
        cases: What to sweep.
        clock: Tells seconds.
        share: Of all heads, the share that all but the engine do; their seconds are divided by it.
    """
    seconds, differences = {way: [0.0] * ROUNDS for way in ways}, dict.fromkeys(ways, 0.0)
    for turn in range(ROUNDS):
        for case in cases:
            logits = {}
            for way, sweep_case in ways.items():
                start = clock()
                logits[way] = sweep_case(case)  # on the CPU at its end, so that a GPU's work is counted
                seconds[way][turn] += (clock() - start) / (1.0 if way == "engine" else share)
            for way, found in logits.items():
                differences[way] = max(differences[way], float((found - logits["plain loop"]).abs().max()))
    return {
        way: {
            "seconds": statistics.median(spent),
            "engine_ratio": statistics.median(ratios := [a / b for a, b in zip(spent, seconds["engine"], strict=True)]),
            "least_ratio": min(ratios),
            "largest_ratio": max(ratios),
            "largest_difference": differences[way],
        }
        for way, spent in seconds.items()
    }


def report(name: str, n_items: int) -> dict[str, dict[str, float]]:
    """Print and return the figures of one model, one line a way."""
    model = load(name)
    cases = build_cases(model, choose_items(read_items("pocket-mc2:test"), n_items, seed=0))
    print(f"\n{model}, {len(cases)} cases of {len(every_head(model))} heads")
    heads = every_head(model)
    ways = every_way(model, name, heads, cases[0])
    intact = run(model, [Row(cases[0].prompt)]).logits  # warms up, and shows that the edits do anything at all
    effect = float((engine(model, heads, cases[0]) - intact).abs().max())
    print(f"{torch.get_num_threads()} threads, median of {ROUNDS} paired rounds, largest effect {effect:.2f}")
    print(f"{'by':16} {'seconds':>8} {'to engine':>10} {'difference':>11}")
    found = compare(ways, cases, time.process_time if model.device.type == "cpu" else time.perf_counter)
    for way, line in found.items():
        wrong = "" if line["largest_difference"] < WRONG else "  WRONG"
        print(f"{way:16} {line['seconds']:8.2f} {line['engine_ratio']:9.1f}x {line['largest_difference']:11.1e}{wrong}")
    return found


def main() -> None:
    """Compare on each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["pocket-qwen", "pocket-llava"])
    parser.add_argument("--items", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {name: report(name, options.items) for name in options.models}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
