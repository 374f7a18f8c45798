"""The jobs that are timed, each beside the plain way of doing it; every one yields lines as they are known."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.contribution.cost import LIMIT, SAMPLED, floor, naive
from benchmarks.speed.bounds import strengths_bound, sweep_bound
from benchmarks.speed.lines import NO_AIM, Aim, Line, compared
from benchmarks.speed.subject import Subject
from benchmarks.speed.timing import in_turns
from torch import Tensor

from trimtab import AddVector, Model, Row, ScaleHeads, generate, run
from trimtab.circuits import every_head, window
from trimtab.contribution import MCS
from trimtab.contribution.mcs import score_cases
from trimtab.engine import BlockAttention, Prompt, Read, encode
from trimtab.engine.local.whitebox import Piece, prefill
from trimtab.modalities import PAIR
from trimtab.steering.states import instructed

Job = Callable[[Subject], Iterator[Line]]

STRENGTHS = 11
WINDOW = 3
EDGES = (("image", "instruction"), ("context", "instruction"), ("image", "last"), ("instruction", "last"))
"""The knockouts of a layer sweep: from, to."""
NAIVE = 3
"""Perturbations of 24 that the naive way really runs."""


def answers(subject: Subject) -> Iterator[Line]:
    """Answers by transformers' ``generate``, by the engine, and steered, each from pictures and text on."""
    model, prompts = subject.model, subject.prompts
    edit, predicted = AddVector(subject.layer, subject.direction), AddVector(subject.layer, subject.predictor)
    made: dict[str, int] = {}

    def ours(name: str, *edits: AddVector) -> Callable[[], None]:
        def work() -> None:
            model.forget_media()
            found = generate(model, [Row(p, edits) for p in prompts], max_new_tokens=subject.new_tokens)
            made[name] = sum(map(len, found.tokens)) + sum(found.finished)

        return work

    def theirs() -> None:
        made["transformers"] = native_answers(model, prompts, subject.new_tokens)

    def hooked() -> None:
        with plain_hook(model, subject.layer, subject.direction):
            made["transformers, hook"] = native_answers(model, prompts, subject.new_tokens)

    ways = {"transformers": theirs, "plain": ours("plain"), "steered": ours("steered", edit)}
    ways["predicted"] = ours("predicted", predicted)
    times = in_turns({**ways, "transformers, hook": hooked}, model.device, subject.rounds)
    medians = times.medians()
    more: dict[str, Any] = {
        "prompts": len(prompts),
        "prompt_tokens": len(encode(model, prompts[0])),
        "answer_tokens": made,
        "tokens_per_second": {name: made[name] / medians[name] for name in made},
    }
    yield compared("answers", times, "plain", "transformers", Aim(most=1.05), 1.0, more)
    yield compared("answers", times, "steered", "plain", Aim(most=1.02), 1.0, more)
    yield compared("answers", times, "predicted", "plain", Aim(most=1.02), 1.0, more)
    yield compared("answers", times, "steered", "transformers, hook", Aim(most=1.05), 1.0, more)


def native_answers(model: Model, prompts: Sequence[Prompt], new_tokens: int) -> int:
    """Answer prompts of one length by the model's own ``generate`` in one batch; return how many tokens that took."""
    model.forget_media()
    each = []
    for prompt in prompts:
        encoded = encode(model, prompt)
        each.append(model.family.native_inputs(model.hf, encoded.ids, encoded.media))
    inputs = {name: torch.cat([one[name] for one in each]) for name in each[0]}
    stops = sorted(model.stop_tokens)
    hf: Any = model.hf
    with torch.no_grad():
        found: Tensor = hf.generate(
            **inputs, max_new_tokens=new_tokens, do_sample=False, eos_token_id=stops, pad_token_id=stops[0]
        )
    new = found[:, inputs["input_ids"].shape[1] :]
    stop = torch.isin(new, torch.tensor(stops, device=new.device))
    return int((stop.cumsum(1) - stop.long() == 0).sum())


class plain_hook:  # noqa: N801 - used as a function is
    """Adds a vector at the last position of every pass, by the shortest hook there is."""

    def __init__(self, model: Model, layer: int, vector: Tensor) -> None:
        self.vector = vector.to(model.device, model.dtype)
        self.module = model.layers[layer]

    def __enter__(self) -> None:
        self.handle = self.module.register_forward_hook(self._add)

    def __exit__(self, *_: object) -> None:
        self.handle.remove()

    def _add(self, _module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden[:, -1] += self.vector
        return output


def contribution(subject: Subject) -> Iterator[Line]:
    """The Modality Contribution Score, exact and sampled, beside one prefill and beside the naive way."""
    model, case = subject.model, subject.case
    length = len(case.encoded)

    def one_prefill() -> None:
        with torch.no_grad():
            prefill(model, [Piece(case.encoded, 0, length - 1)])

    def scored(config: MCS) -> Callable[[], object]:
        return lambda: score_cases(model, [case], config)

    ways = {"prefill": one_prefill, "exact": scored(LIMIT), "sampled": scored(SAMPLED)}
    times = in_turns(ways, model.device, max(5, subject.rounds))
    more = {"tokens": length}
    least = floor(model, case)["floor_prefills"]
    yield compared("contribution", times, "exact", "prefill", Aim(most=1.3), least, more)
    yield compared("contribution", times, "sampled", "prefill", Aim(most=1.7), least, more)
    total = len(PAIR) * len(SAMPLED.sigmas) * SAMPLED.draws
    slow = in_turns(
        {"naive": lambda: naive(model, case.encoded, SAMPLED, NAIVE), "sampled": scored(SAMPLED)},
        model.device,
        2,
        {"naive": NAIVE / total},
    )
    yield compared("contribution", slow, "naive", "sampled", Aim(least=20), None, more)


def strengths(subject: Subject) -> Iterator[Line]:
    """Answers at eleven strengths of a vector as rows of one run, beside one strength."""
    model, prompts = subject.model, subject.prompts
    layer, vector = subject.layer, subject.direction

    def swept(number: int) -> Callable[[], object]:
        rows = [Row(p, (AddVector(layer, vector, 0.25 * (s + 1)),)) for p in prompts for s in range(number)]
        return lambda: generate(model, rows, max_new_tokens=subject.new_tokens)

    times = in_turns({"eleven": swept(STRENGTHS), "one": swept(1)}, model.device, subject.rounds)
    least = strengths_bound(len(subject.case.encoded), subject.new_tokens, STRENGTHS)
    yield compared("strengths", times, "eleven", "one", Aim(most=1.7), least)


def windows(subject: Subject) -> Iterator[Line]:
    """Attention cut in a window of three around every layer, for four edges."""
    yield swept_by("windows", subject, window_rows(subject), Aim(least=10))


def window_rows(subject: Subject) -> list[Row]:
    """Return the rows of that sweep."""
    layers = [window(layer, WINDOW, subject.model.n_layers) for layer in range(subject.model.n_layers)]
    return [Row(subject.encoded, (BlockAttention((a,), (b,), own),)) for a, b in EDGES for own in layers]


def heads(subject: Subject) -> Iterator[Line]:
    """Every head of every layer silenced at the last prompt token."""
    yield swept_by("heads", subject, head_rows(subject), Aim(least=20))


def head_rows(subject: Subject) -> list[Row]:
    """Return the rows of that sweep."""
    every = every_head(subject.model)
    return [Row(subject.encoded, (ScaleHeads(layer, (head,), ("last",)),)) for layer, head in every]


def swept_by(job: str, subject: Subject, rows: Sequence[Row], aim: Aim) -> Line:
    """Compare the engine with a loop over the same rows, of which it runs a sample spread evenly."""
    model, count = subject.model, min(len(rows), subject.loop_rows)
    sample = [rows[place * len(rows) // count] for place in range(count)]
    found: dict[str, Tensor] = {}

    def by(name: str, chosen: Sequence[Row], reuse: bool) -> Callable[[], None]:
        def work() -> None:
            found[name] = run(model, chosen, reuse=reuse).logits

        return work

    ways = {"loop": by("loop", sample, False), "engine": by("engine", rows, True)}
    times = in_turns(ways, model.device, subject.rounds, {"loop": count / len(rows)})
    fast, slow = found["engine"][[place * len(rows) // count for place in range(count)]], found["loop"]
    difference = float((fast - slow).abs().max() / slow.abs().max())
    more = {"rows": len(rows), "loop_rows": count, "tokens": len(subject.encoded), "largest_difference": difference}
    return compared(job, times, "loop", "engine", aim, sweep_bound(model, rows), more)


def states(subject: Subject) -> Iterator[Line]:
    """The states that steering is learned from: an item plain and under either instruction.

    Beside it stand a loop that stops at the layer that is read, and what the released code of papers does: a whole pass
    for each prompt, of which the states of all layers at the last five tokens are saved.
    """
    model = subject.model
    prompts = [asked for own in subject.prompts for asked in (own, *instructed(own))]
    read = Read(logits=False, hidden=(subject.layer,))

    def read_off(reuse: bool) -> Callable[[], object]:
        def work() -> None:
            model.forget_media()
            run(model, prompts, read, reuse=reuse)

        return work

    ways = {"saved features": lambda: save_features(model, prompts), "loop": read_off(False), "engine": read_off(True)}
    times = in_turns(ways, model.device, subject.rounds)
    length, spans = len(subject.case.encoded), subject.case.encoded.spans
    shared = int(spans["context"][-1]) + 1
    asked = sum(len(encode(model, prompt)) for prompt in prompts[:3])
    bound = asked * model.n_layers / ((shared + asked - 3 * shared) * (subject.layer + 1))
    more = {"prompts": len(prompts), "tokens": length}
    yield compared("states", times, "saved features", "engine", Aim(least=5), bound, more)
    yield compared("states", times, "loop", "engine", NO_AIM, None, more)


def save_features(model: Model, prompts: Sequence[Prompt]) -> None:
    """Save the states of all layers at the last tokens of each prompt, a pass and a file each."""
    hf: Any = model.hf
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for number, prompt in enumerate(prompts):
            model.forget_media()
            encoded = encode(model, prompt)
            given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
            found = hf(**given, output_hidden_states=True)
            torch.save([own[0, -5:].cpu() for own in found.hidden_states], Path(folder) / f"{number}.pt")


def growth(subject: Subject) -> Iterator[Line]:
    """What twice as many prompts, rows and tokens cost; pictures are remembered."""
    model, rows, prompts = subject.model, head_rows(subject), subject.prompts
    short = Subject(model, subject.tokens // 2, subject.side)
    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "prompts": (lambda: run(model, prompts), lambda: run(model, prompts[: len(prompts) // 2])),
        "rows": (lambda: run(model, rows), lambda: run(model, rows[: len(rows) // 2])),
        "tokens": (lambda: run(model, subject.prompts[:1]), lambda: run(model, short.prompts[:1])),
    }
    for name, (twice, once) in pairs.items():
        times = in_turns({f"twice the {name}": twice, "once": once}, model.device, subject.rounds)
        yield compared("growth", times, f"twice the {name}", "once", Aim(most=2.2), 2.0)


JOBS: dict[str, Job] = {
    "answers": answers,
    "contribution": contribution,
    "windows": windows,
    "heads": heads,
    "strengths": strengths,
    "states": states,
    "growth": growth,
}
"""What is timed, most important first."""
