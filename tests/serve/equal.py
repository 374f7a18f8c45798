"""Hold a server's greedy tokens equal to the local engine's, artifact by artifact, over many mixed requests.

    .venv-serve/bin/python -m tests.serve.equal pocket-qwen [--requests 200] [--mixed] [--compiled] [--out FILE]

Every second request is steered by the artifact in question, at its own strength and at others; the rest are plain and
steered by all others in turn, and by several together. ``--mixed`` asks once, all in turn. All come at once, and vLLM,
called in this process, makes batches of six requests and 64 tokens a step of them. ``--compiled`` has vLLM compile the
model's graph.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.serve.environment import IN_ONE_PROCESS

Asked = tuple[Any, "dict[str, Any] | None", Sequence[Any]]
STRENGTHS = (1.0, 4.0, -8.0, 2.0)
"""Factors on the artifact's own strength, in turn; a mean in the place of heads has one strength alone."""


def main() -> None:
    """Ask, compare, and tell of each artifact; end with an error if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--artifacts", nargs="*", help="left out, all; several that act together are joined by +")
    parser.add_argument("--mixed", action="store_true", help="ask once, by all artifacts in turn")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()

    os.environ.update(IN_ONE_PROCESS | ({"TORCHDYNAMO_DISABLE": "0"} if given.compiled else {}))
    from tests.serve.subject import TOGETHER, made

    with (
        tempfile.TemporaryDirectory() as folder,
        made(given.model, Path(folder), given.requests, compiled=given.compiled) as subject,
    ):
        labels = list(subject.artifacts) + ["+".join(names) for names in TOGETHER]
        names = ["mixed"] if given.mixed else given.artifacts or labels
        plain = subject.local_tokens([(prompt, ()) for prompt in _prompts(subject, given.requests)])
        table = [_compared(subject, name, _asked(subject, name, labels, given.requests), plain) for name in names]
    told = {"model": given.model, "requests": given.requests, "compiled": given.compiled, "artifacts": table}
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(any(one["equal"] < one["requests"] for one in table))


def _compared(subject: Any, name: str, asked: Sequence[Asked], plain: Sequence[list[int]]) -> dict[str, Any]:
    """Ask a server and the local engine the same, and tell how many answers are equal.

    Args:
        subject: The model, served and here.
        name: What it is called.
        asked: What to ask.
        plain: What the prompts are answered without steering.
    """
    start = time.perf_counter()
    served = subject.served([(prompt, xargs) for prompt, xargs, _edits in asked])
    middle = time.perf_counter()
    local = subject.local_tokens([(prompt, edits) for prompt, _xargs, edits in asked])
    stops = subject.model.stop_tokens
    found = [one.tokens[:-1] if one.tokens[-1] in stops else one.tokens for one in served]
    equal = [one == other for one, other in zip(found, local, strict=True)]
    told = {
        "artifact": name,
        "requests": len(asked),
        "equal": sum(equal),
        "steered": sum(bool(edits) for _prompt, _xargs, edits in asked),
        "moved": sum(one != other for one, other in zip(local, plain, strict=True)),
        "first_unequal": equal.index(False) if not all(equal) else None,
    }
    print(  # noqa: T201
        f"{name:36} {told['equal']} of {len(asked)} answers equal; steering moved {told['moved']} of {told['steered']} "
        f"(served {middle - start:.0f} s, here {time.perf_counter() - middle:.0f} s)",
        flush=True,
    )
    return told


def _prompts(subject: Any, count: int) -> list[Any]:
    return [subject.prompts[place % len(subject.prompts)] for place in range(count)]


def _asked(subject: Any, name: str, labels: Sequence[str], count: int) -> list[Asked]:
    """Return prompts, each with what is asked of the server and the edits that this is here."""
    others = [None, *(label for label in labels if label != name)]
    found: list[Asked] = []
    for place, prompt in enumerate(_prompts(subject, count)):
        if name == "mixed":
            label = others[place % len(others)]
        else:
            label = name if place % 2 else others[place // 2 % len(others)]
        if label is None:
            found.append((prompt, None, ()))
            continue
        names, factor = tuple(label.split("+")), STRENGTHS[place // 2 % len(STRENGTHS)]
        own = [subject.artifacts[one].strength * (1.0 if one.endswith("-mean") else factor) for one in names]
        found.append((prompt, subject.asked(prompt, names, own), subject.edits(names, own)))
    return found


if __name__ == "__main__":
    main()
