"""What each part of hardening costs: time of a step beside supervised fine-tuning, and beside the count.

    python benchmarks/harden/steps.py [--model pocket-qwen] [--method lora] [--batch 6] [--rounds 5]

Every objective runs forward and backward on the same groups of views, in turn, round after round; a ratio is the median
over rounds of its time over that of plain supervised fine-tuning on the same views. The count takes a forward pass as
one, a backward pass as one more (to the activations) and, if all weights are trained, another (to the weights), by
tokens. Encoder passes are pictures that went through the vision tower, beside one for each view in each pass.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from trimtab import load, read_items
from trimtab.interference import AttackConfig, HardenConfig
from trimtab.interference.hardening import StepCost
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.rows import written_letters
from trimtab.interference.hardening.schedule import Group, Schedule
from trimtab.interference.hardening.weights import trainable
from trimtab.models import HuggingFaceModel

PLAIN = HardenConfig(consistency="none", attack=None)
OBJECTIVES = {
    "supervised": PLAIN,
    "+ KL": replace(PLAIN, consistency="kl"),
    "+ JS": replace(PLAIN, consistency="js"),
    "+ attack, 1 step": replace(PLAIN, attack=AttackConfig(steps=1)),
    "+ attack, 2 steps": replace(PLAIN, attack=AttackConfig(steps=2)),
    "+ KL + attack, 2 steps": replace(PLAIN, consistency="kl", attack=AttackConfig(steps=2)),
    "+ KL + attack on all text, 2 steps": replace(PLAIN, consistency="kl", attack=AttackConfig(steps=2, text="all")),
}


def seconds(objective: Objective, groups: list[Group]) -> float:
    """Time one forward and backward pass."""
    objective.zero_grad()
    start = time.perf_counter()
    objective(groups).backward()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def naive_encodings(groups: list[Group], config: HardenConfig) -> int:
    """Count pictures encoded if each pass of each view encoded its own."""
    total = 0
    for group in groups:
        pictures = [len(prompt.images) for prompt in group.prompts]
        total += sum(pictures)
        if config.attack is not None and group.irrelevant is not None:
            shown = pictures if group.irrelevant == "text" and config.attack.text == "all" else pictures[1:]
            total += (config.attack.steps + 1) * sum(shown)
    return total


def main() -> None:
    """Print one line for each objective."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--method", choices=["lora", "full"], default="lora")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model = load(options.model)
    schedule = Schedule(
        read_items("pocket-interference:train"), replace(PLAIN, batch_size=options.batch, method=options.method)
    )
    groups = [schedule[place] for place in range(options.batch)]
    letters = written_letters(model, [g.prompts[0] for g in groups], 4)
    model.forget_media()
    encoded = 0
    encode = model.family.embed_media

    def counted(hf: HuggingFaceModel, pixels: list) -> list:
        nonlocal encoded
        encoded += len(pixels)
        return encode(hf, pixels)

    model.family.embed_media = counted  # pyright: ignore[reportAttributeAccessIssue]
    with trainable(model, replace(PLAIN, method=options.method)):
        made = {name: Objective(model, config, letters).train() for name, config in OBJECTIVES.items()}
        for objective in made.values():  # warm up, and count what a step works on
            seconds(objective, groups)
        times = [{name: seconds(objective, groups) for name, objective in made.items()} for _ in range(options.rounds)]
    print(
        f"{model}, {options.method}, {options.batch} items, {torch.get_num_threads()} threads, {options.rounds} rounds"
    )
    print(f"{'objective':36} {'s':>8} {'ratio':>7} {'count':>7} {'off by':>8} {'naive encodings':>16}")
    plain = OBJECTIVES["supervised"]
    for name, config in OBJECTIVES.items():
        tokens = made[name].tokens
        work = StepCost(tokens["seen"], tokens["attacked"], options.method)
        count = work.forward_equivalents(config.attack) / work.forward_equivalents(plain.attack)
        ratio = statistics.median(t[name] / t["supervised"] for t in times)
        middle = statistics.median(t[name] for t in times)
        naive = naive_encodings(groups, config) * (options.rounds + 1)
        print(f"{name:36} {middle:8.3f} {ratio:7.2f} {count:7.2f} {100 * (ratio / count - 1):+7.1f}% {naive:16}")
    print(f"pictures encoded in all {(options.rounds + 1) * len(made)} steps together: {encoded}")


if __name__ == "__main__":
    main()
