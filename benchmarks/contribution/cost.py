"""What the Modality Contribution Score costs: the batched engine, the naive way, and one prefill, side by side.

    python benchmarks/contribution/cost.py [--models pocket-qwen pocket-llava] [--lengths 64 512 2048] [--device cuda]
                                           [--json FILE]

Three sigmas, four draws, two modalities: 24 perturbations a prompt. The naive way runs one perturbation at a time: its
own prefill, noise on a copy of the cache, one more token forward, and autograd back to the cache. ``random`` as a
model is a random one of about 300 M parameters in Qwen2.5-VL's shape. Times are medians of rounds that take turns: of
processor seconds on a CPU, where other work on the machine then does not count, and of the clock's on a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from trimtab import Model, Prompt, load
from trimtab.contribution import MCS
from trimtab.contribution.mcs import score_cases
from trimtab.contribution.method import Case
from trimtab.contribution.noise import standard_normal
from trimtab.contribution.spans import segment
from trimtab.engine import Encoded, encode
from trimtab.engine.local.whitebox import Piece, prefill
from trimtab.items import Item
from trimtab.modalities import PAIR
from trimtab.models import from_parts
from trimtab.testing import picture

SAMPLED = MCS.paper()
LIMIT = MCS(estimator="limit", divergence="kl")
SIZE = (112, 112)
WORDS = "the dog sleeps on the red sofa while two cats play with a ball in the garden and nobody looks at them "


def case(model: Model, length: int) -> Case:
    """Make a prompt of about a length: one picture, a question, and as much context as it takes."""
    words: list[str] = list(WORDS.split())
    low, high = 1, length
    while low < high:  # the longest context that stays within the length
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(encode(model, _prompt(words, middle))) <= length else (low, middle - 1)
    prompt = _prompt(words, low)
    item = Item("item", "color", prompt.question, context=prompt.context or "", answer_image="red", answer_text="blue")
    return Case(item, prompt, encode(model, prompt), PAIR)


def _prompt(words: list[str], count: int) -> Prompt:
    context = " ".join((words * (count // len(words) + 1))[:count])
    return Prompt("What color is the sofa?", (picture(0, SIZE),), context)


def random_model(device: str | None) -> Model:
    """Build a random model of about 300 M parameters around pocket-qwen's tokenizer and picture size."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    small = load("pocket-qwen", device=device)
    config: Any = type(small.hf.config).from_dict(small.hf.config.to_dict())  # pyright: ignore
    config.text_config.update(
        {
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "max_position_embeddings": 4096,
            "layer_types": ["full_attention"] * 24,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [8, 12, 12]},
        }
    )
    config.vision_config.out_hidden_size = 1024
    torch.manual_seed(0)
    hf = torch.nn.Module.to(Qwen2_5_VLForConditionalGeneration(config), small.device)
    return from_parts(hf, small.tokenizer, small.image_processor, small.chat_template, name="random-300M")


def naive(model: Model, prompt: Encoded, config: MCS, perturbations: int) -> list[float]:
    """Score the first perturbations one at a time, as Algorithm 1 is written."""
    scores = []
    for modality in PAIR:
        for sigma in config.sigmas:
            for draw in range(config.draws):
                if len(scores) < perturbations:
                    scores.append(_naive_one(model, prompt, modality, sigma, draw))
    return scores


def _naive_one(model: Model, prompt: Encoded, modality: Any, sigma: float, draw: int) -> float:
    with torch.no_grad():
        prefix = prefill(model, [Piece(prompt, 0, len(prompt) - 1)])
    places = segment(prompt, modality)
    embeds = model.embedding(prompt.ids[-1:])[None]
    mask = torch.ones(1, len(prompt), dtype=torch.long, device=model.device)
    with torch.no_grad():
        clean = model.lm_head(model.decode(embeds, mask, prompt.positions[:, None, -1:], prefix.cache()))[0, -1]
    cache, leaves = DynamicCache(), []
    layers = [layer for layer in prefix.held if isinstance(layer, DynamicLayer)]
    held = [(one.keys, one.values) for one in layers if one.keys is not None and one.values is not None]
    _, heads, _, width = held[0][0].shape
    noise = standard_normal(len(places), width, (0, modality, draw), (model.n_layers, 2, heads), model.device)
    for number, layer in enumerate(held):
        for kind, entries in enumerate(layer):
            copy = entries.clone()
            own = copy[0][:, places]
            copy[0][:, places] = own + (sigma * own.std() * noise[number, kind]).to(own)
            leaves.append(copy.requires_grad_())
        cache.update(*leaves[-2:], number)
    with torch.enable_grad():
        noisy = model.lm_head(model.decode(embeds, mask, prompt.positions[:, None, -1:], cache))[0, -1]
        loss = -(clean.softmax(-1) * noisy.log_softmax(-1)).sum()
        gradients = torch.autograd.grad(loss, leaves)
    return float(sum(g[0][:, places].float().square().sum() for g in gradients) / loss.detach())


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds some work took: the processor's on a CPU, the clock's on a GPU until all of it is done."""
    if device.type != "cuda":
        started = time.process_time()
        work()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(model: Model, length: int, items: int, rounds: int, naive_perturbations: int) -> dict[str, Any]:
    """Time one prefill, the engine (alone, several items, the exact limit) and the naive way."""
    asked = case(model, length)
    n = len(asked.encoded)
    several = [asked] * items
    total = len(PAIR) * len(SAMPLED.sigmas) * SAMPLED.draws

    def once(config: MCS, cases: list[Case]) -> Callable[[], object]:
        return lambda: score_cases(model, cases, config)

    def one_prefill() -> None:
        with torch.no_grad():
            prefill(model, [Piece(asked.encoded, 0, n - 1)])

    works: dict[str, tuple[Callable[[], object], float]] = {
        "prefill": (one_prefill, 1),
        "engine": (once(SAMPLED, [asked]), 1),
        "engine_batch": (once(SAMPLED, several), items),
        "limit": (once(LIMIT, [asked]), 1),
        "limit_batch": (once(LIMIT, several), items),
        "naive": (lambda: naive(model, asked.encoded, SAMPLED, naive_perturbations), naive_perturbations / total),
    }
    one_prefill()
    once(replace(SAMPLED, draws=1), [asked])()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, share) in works.items():
            found[name].append(seconds(work, model.device) / share)
    times = {name: statistics.median(values) for name, values in found.items()}
    prefills = {
        name: statistics.median(v / p for v, p in zip(found[name], found["prefill"], strict=True)) for name in found
    }
    speedup = statistics.median(a / b for a, b in zip(found["naive"], found["engine"], strict=True))
    return {
        "model": model.name,
        "tokens": n,
        "seconds": times,
        "prefills": prefills,
        "naive_over_engine": speedup,
        **floor(model, asked),
    }


def floor(model: Model, asked: Case) -> dict[str, float]:
    """Count what no way of sampling can do without, beyond the prefill, in units of the prefill's operations.

    Operations: each of the 24 perturbed rows and the clean one is a token forward, and backward through activations:
    twice two operations a parameter. Bytes: the noise, written once and read once forward and once backward.
    """
    n = len(asked.encoded)
    layers = sum(p.numel() for p in model.layers[0].parameters()) * model.n_layers
    head = model.text_config.vocab_size * model.hidden_size
    rows = 1 + len(PAIR) * len(SAMPLED.sigmas) * SAMPLED.draws
    attention = 2 * 2 * model.n_layers * model.n_heads * model.head_dim
    of_prefill = 2 * n * layers + attention * n * n / 2
    of_rows = rows * 2 * (2 * (layers + head) + attention * n)
    entries = 2 * model.n_layers * model.text_config.num_key_value_heads * model.head_dim
    tokens = sum(len(segment(asked.encoded, m)) for m in PAIR)
    noise = SAMPLED.draws * entries * tokens
    return {"floor_prefills": 1 + of_rows / of_prefill, "noise_numbers": noise, "floor_bytes": 3 * 4 * noise}


def main() -> None:
    """Print one line for each model and length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["pocket-qwen", "pocket-llava"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[64, 512, 2048])
    parser.add_argument("--items", type=int, default=8, help="items of the batched measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--naive", type=int, default=24, help="perturbations the naive way really runs")
    parser.add_argument("--device", help="left out, CUDA if there is one")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    options = parser.parse_args()
    print(f"24 perturbations; {torch.get_num_threads()} threads; medians of {options.rounds} rounds, in prefills")
    print(f"{'model':14} {'tokens':>6} {'prefill s':>9} {'engine':>7} {'x items':>8} {'limit':>6} {'x items':>8} "
          f"{'naive':>6} {'naive/engine':>12} {'floor':>6}")  # fmt: skip
    rows = []
    for name in options.models:
        model = random_model(options.device) if name == "random" else load(name, device=options.device)
        for length in options.lengths:
            row = compare(model, length, options.items, options.rounds, options.naive)
            rows.append(row)
            p = row["prefills"]
            print(
                f"{row['model']:14} {row['tokens']:6} {row['seconds']['prefill']:9.4f} {p['engine']:7.2f} "
                f"{p['engine_batch']:8.2f} {p['limit']:6.2f} {p['limit_batch']:8.2f} {p['naive']:6.1f} "
                f"{row['naive_over_engine']:11.1f}x {row['floor_prefills']:6.2f}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
