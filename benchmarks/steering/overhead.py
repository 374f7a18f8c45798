"""What steering costs: generation under each method beside unsteered generation, and beside plain hooks.

    python benchmarks/steering/overhead.py [--model pocket-qwen] [--items 32] [--rounds 7]

Every method answers the same items in the same batches, in turn with no steering, round after round, so that a busy
machine slows both alike; the medians of the paired ratios are printed. "Plain hook" is the shortest code that adds the
same vector at the same layer, on the same engine. The sweep runs eleven strengths of the mean vector as rows of one
run, beside one strength.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from trimtab import Model, Row, generate, load, read_items
from trimtab.engine import Prompt
from trimtab.errors import UnsupportedMethodError
from trimtab.items.prompts import prompt_for
from trimtab.steering import METHODS, Artifact, TrainingSet, default_layer
from trimtab.studies import choose_items, counted

TOKENS = 8
TRAIN_ITEMS = 64


def fitted(model: Model, train: TrainingSet, target: str, names: Iterable[str] = METHODS) -> list[Artifact]:
    """Fit methods that know the target and that the model can take, at the layer of half the depth."""
    found = []
    for kind in map(METHODS.__getitem__, names):
        if target not in kind.targets:
            continue
        try:
            found.append(kind(target=target).fit(model, train))  # pyright: ignore[reportArgumentType]
        except UnsupportedMethodError as error:
            print(f"{kind.name}: left out, {error}")
    return found


def with_plain_hook(model: Model, prompts: list[Prompt], layer: int, vector: torch.Tensor) -> None:
    """Generate with a hook that adds a vector at the last position of every forward pass and knows nothing else."""

    def add(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden[:, -1] += vector
        return output

    handle = model.layers[layer].register_forward_hook(add)
    try:
        generate(model, prompts, max_new_tokens=TOKENS)
    finally:
        handle.remove()


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that work took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(plain: Callable[[], object], steered: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median ratio of their times, and the steered one's median seconds."""
    plain()
    steered()
    pairs = []
    for number in range(rounds):
        order = (plain, steered) if number % 2 else (steered, plain)
        times = {work: seconds(work) for work in order}
        pairs.append((times[plain], times[steered]))
    return statistics.median(b / a for a, b in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket-qwen")
    parser.add_argument("--items", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--target", default="image", choices=("image", "text"))
    options = parser.parse_args()
    model = load(options.model)
    layer = default_layer(model)
    train = TrainingSet(model, choose_items(read_items("pocket-mc2:train"), TRAIN_ITEMS, 0), [layer])
    prompts = [prompt_for(item) for item in choose_items(read_items("pocket-mc2:test"), options.items, 0)]
    artifacts = fitted(model, train, options.target)

    def plainly() -> None:
        generate(model, prompts, max_new_tokens=TOKENS)

    print(
        f"{model}, {len(prompts)} items in a batch, {torch.get_num_threads()} threads, {options.rounds} paired rounds"
    )
    print(f"{'method':20} {'time':>8} {'seconds':>9} {'decoder positions':>18}")
    with counted(model) as work:
        plainly()
    base = work.positions
    for artifact in artifacts:

        def steered(artifact: Artifact = artifact) -> None:
            generate(model, artifact.asks(model, prompts), max_new_tokens=TOKENS)

        ratio, took = paired(plainly, steered, options.rounds)
        with counted(model) as work:
            steered()
        print(f"{artifact.method:20} {ratio:7.2f}x {took:9.3f} {work.positions / base:17.2f}x")

    mean = next(a for a in artifacts if a.method == "mean")
    assert isinstance(mean.direction, torch.Tensor)
    vector = mean.direction
    ratio, took = paired(plainly, lambda: with_plain_hook(model, prompts, layer, vector), options.rounds)
    print(f"{'(plain hook)':20} {ratio:7.2f}x {took:9.3f}")

    def swept(strengths: int) -> Callable[[], object]:
        rows = [Row(p, mean.edits(0.25 * (s + 1))) for p in prompts for s in range(strengths)]
        return lambda: generate(model, rows, max_new_tokens=TOKENS)

    ratio, took = paired(swept(1), swept(11), max(3, options.rounds // 2))
    print(f"{'(sweep of 11 / of 1)':20} {ratio:7.2f}x {took:9.3f}")


if __name__ == "__main__":
    main()
