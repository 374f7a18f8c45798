"""docs/performance.md, from the lines of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.lines import Aim

Held = Mapping[str, Any]
"""A line as it is in the file."""

WHOLE = "whole"
"""The line that says how long all jobs took."""

JOBS = {
    "answers": "Answers to four prompts at once (two on the larger models), pictures encoded anew. *plain*, *steered* "
    "(one vector) and *predicted* (a network predicts it) are the engine's; *transformers* is `generate` of "
    "the Hugging Face model in one batch, *hook* the shortest hook that adds the vector.",
    "methods": "The same prompts answered under methods that add vectors, beside no steering: one fixed vector "
    "(`random`, `mean`), one that a network predicts (`l2s`, `amps`), and one that a network predicts in every layer "
    "(`learned_trim`).",
    "contribution": "The Modality Contribution Score of one prompt. *prefill* is one pass over it; *naive* takes each "
    "of 24 perturbations with a prefill of its own. Small noise is remembered from call to call, as pictures are; the "
    "naive way draws its own.",
    "windows": "Attention cut in a window of three layers around every layer, for four edges. *loop* is a whole pass "
    "for each row, with the same edits.",
    "heads": "Every head of every layer silenced at the last token.",
    "peers": "The same sweep by other libraries, beside the engine, for one prompt of the benchmark: *x1* is a pass "
    "for each head, the other a batch of copies for each layer. Each works on its own copy of the Hugging Face model. "
    "Of models with more than 128 heads they sweep those of the middle layer, and what all would take is computed.",
    "strengths": "Answers at eleven strengths as rows of one run, beside one strength.",
    "states": "The states that steering is learned from, three prompts an item. *saved features* is what released "
    "code does: a whole pass for each prompt, of which the states of all layers at the last tokens are saved; *loop* "
    "stops at the layer that is read.",
    "growth": "What twice as much costs.",
    "memory": "What `trimtab check` expects of each job, by arithmetic, over the peak of the job's tensors: on a CPU "
    "counted byte by byte, on a GPU as the allocator says.",
    "profile": "Where the time of some jobs goes, in passes over one prompt: *exact* and *sampled* contribution of "
    "one, *states* of three prompts an item and *answers* for all items. *beside them* is what no part does: "
    "Python, planning, tokens, pixels and small tensors. *operations* is how many operations that compute "
    "a job has, over those of a pass.",
}
"""What each job is, in the order of the page."""


def read(path: Path) -> list[Held]:
    """Return the lines of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def page(lines: Sequence[Held], command: str, gpu: Sequence[Held] = (), models: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        lines: What was measured.
        command: What measured it.
        gpu: Lines of ``benchmarks.gpu``, if there are any.
        models: All that were to be measured.
    """
    first, places = lines[0], {model: place for place, model in enumerate(models)}
    lines = sorted(lines, key=lambda line: places.get(line["model"], len(places)))
    timed = [line for line in lines if line["job"].split(":")[0] != "memory"]
    parts = [
        "# Performance\n",
        f"One command writes this page, `{command}` (`make bench`). Every number is a ratio of two ways that took "
        "turns in one run: the median of the rounds, with its 95 % interval (of fewer than six rounds, the least and "
        "the largest). It ran on "
        f"{first['device']}{_at_once(lines)}, with torch {first['torch']} and transformers {first['transformers']}. "
        f"Aims are reached by {_reached(timed)} timings, {_sure(timed)} of them with the whole interval, and by "
        f"{_reached([line for line in lines if line not in timed])} estimates of memory"
        + (f"; on a GPU, measured once and [below](#on-a-gpu), by {_reached(gpu)}" if gpu else "")
        + ". *Perhaps* stands where one end of the interval reaches the aim and the other does not.",
        "*Counted* is what the ratio would be if only the positions that each way computes in each layer took time, "
        "and each took as much. Positions that are computed together are cheaper, so a ratio can be better.\n",
    ]
    for job, what in JOBS.items():
        own = [line for line in lines if line["job"].split(":")[0] == job]
        if own:
            parts += [f"## {job.capitalize()}\n", f"{what}\n", *_table(own), ""]
    return "\n".join([*parts, *_missed(lines), *_not_measured(lines, models), *_on_a_gpu(gpu)])


def _at_once(lines: Sequence[Held]) -> str:
    """Say how many models were measured at a time, and how long all took."""
    workers = {1: "", 2: ", two models at a time"}.get(number := lines[0].get("workers", 1), f", {number} at a time")
    return workers + "".join(f", in {own['more']['minutes']} minutes" for own in lines if own["job"] == WHOLE)


def _reached(lines: Sequence[Held]) -> str:
    met, missed = (sum(line["met"] is is_met for line in lines) for is_met in (True, False))
    return f"{met} of {met + missed}"


def _sure(lines: Sequence[Held]) -> int:
    return sum(line["met"] is True and not _unsure(line) for line in lines)


def _missed(lines: Sequence[Held]) -> list[str]:
    """Name every aim that is missed, and what the counts and the profile say to it."""
    found = []
    for line in lines:
        if line["met"] is not False:
            continue
        wanted, bound = Aim(**line["aim"]), line["bound"]
        reasons = [f"{line['ratio']:.2f}, aim {aim(wanted)}"]
        if _unsure(line):
            reasons.append("one end of the interval reaches it")
        if bound is not None and not wanted.met(bound):
            reasons.append(f"the counted positions alone give {bound:.2f}")
        reasons += _profiled(lines, line)
        found.append(f"- {line['model']}, {line['job']}, {line['over']} / {line['under']}: {'; '.join(reasons)}.")
    return ["## What misses its aim, and why\n", *found, ""] if found else []


def _profiled(lines: Sequence[Held], line: Held) -> list[str]:
    """Say where the time of a job goes, in passes over the prompt, if it was taken apart."""
    job = {"contribution": line["over"], "states": "states", "answers": "answers"}.get(line["job"])
    parts = [
        f"{own['over']} {own['ratio']:.2f}"
        for own in lines
        if (own["model"], own["job"]) == (line["model"], f"profile: {job}") and own["over"] not in ("all", "operations")
    ]
    return [f"its parts, in prefills: {', '.join(parts)}"] if parts else []


def _not_measured(lines: Sequence[Held], models: Sequence[str]) -> list[str]:
    """Say what a run that was stopped has not measured."""
    done = {(line["model"], line["job"].split(":")[0]) for line in lines}
    missing = {model: [job for job in JOBS if (model, job) not in done] for model in models}
    said = [
        f"{model}: {'everything' if len(jobs) == len(JOBS) else ', '.join(jobs)}"
        for model, jobs in missing.items()
        if jobs
    ]
    return [f"Not measured in this run: {'; '.join(said)}.\n"] if said else []


def _on_a_gpu(lines: Sequence[Held]) -> list[str]:
    """Return the section of ratios measured on a GPU; nothing if there are no lines."""
    known = [line for line in lines if line["ratio"] is not None]
    if not known:
        return []
    first = known[0]
    beside = f" Beside it ran {first['beside']}." if first.get("beside") else ""
    about = (
        "`python -m benchmarks.gpu --out runs/gpu` asks the same of models in released shapes with random weights in "
        f"bfloat16, with a prompt of some 500 to 600 tokens: here on one {first['device']}, with torch "
        f"{first['torch']}.{beside} What there was no time for is left out. "
        "`python -m benchmarks.speed` takes its lines into this page by `--gpu runs/gpu`. Nobody "
        "profiled it. A likely reason for what is missed is that with one prompt at a time a GPU waits for its orders: "
        "the profile above counts the *operations* of each job over those of a pass. Larger batches share them."
    )
    named = [{**line, "job": f"{line['job']}: {line['job']}"} for line in known]
    return ["## On a GPU\n", f"{about}\n", *_table(named), ""]


def _table(lines: Iterable[Held]) -> list[str]:
    table = ["| model | ratio | | aim | counted | |", "|---|---|---|---|---|---|"]
    for line in lines:
        of = line["job"].partition(": ")[2]
        name = f"{of}: {line['over']} / {line['under']}" if of else f"{line['over']} / {line['under']}"
        if line["ratio"] is None:
            table.append(f"| {line['model']} | {of or line['job']} | {line['error']} | | | |")
            continue
        bound = "" if line["bound"] is None else f"{line['bound']:.2f}"
        met = {True: "reached", False: "missed" if _unsure(line) else "**missed**", None: ""}[line["met"]]
        met += ", perhaps" if _unsure(line) else ""
        value = f"{line['ratio']:.2f} ({line['low']:.2f} to {line['high']:.2f})"
        table.append(f"| {line['model']} | {name} | {value} | {aim(Aim(**line['aim']))} | {bound} | {met} |")
    return table


def _unsure(line: Held) -> bool:
    """Whether one end of a ratio's interval reaches its aim, and the other does not."""
    return line["met"] is not None and len({Aim(**line["aim"]).met(line[end]) for end in ("low", "high")}) == 2


def aim(wanted: Aim) -> str:
    """Return an aim in words."""
    least, most = wanted
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    return f"at least {least:g}" if least is not None else f"at most {most:g}" if most is not None else ""
