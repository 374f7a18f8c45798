"""Hold a server's greedy tokens equal to the local engine's, artifact by artifact, over many mixed requests.

    .venv-serve/bin/python -m tests.serve.equal pocket-qwen [--requests 200] [--compiled] [--out FILE]

Every second request is steered by the artifact in question, at its own strength and at others; the rest are plain and
steered by all others in turn. All come at once, and vLLM, called in this process, makes batches of six requests and 64
tokens a step of them. ``--compiled`` has vLLM compile the model's graph.
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

STRENGTHS = (1.0, 4.0, -8.0, 2.0)
"""Factors on the artifact's own strength, in turn; a mean in the place of heads has one strength alone."""


def main() -> None:
    """Ask, compare, and tell of each artifact; end with an error if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--artifacts", nargs="*", help="left out, all")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()

    os.environ.update(IN_ONE_PROCESS | ({"TORCHDYNAMO_DISABLE": "0"} if given.compiled else {}))
    from tests.serve.subject import made

    with (
        tempfile.TemporaryDirectory() as folder,
        made(given.model, Path(folder), given.requests, compiled=given.compiled) as subject,
    ):
        names = given.artifacts or list(subject.artifacts)
        plain = subject.local_tokens([(prompt, ()) for prompt in _prompts(subject, given.requests)[1::2]])
        table = [_compared(subject, name, given.requests, plain) for name in names]
    told = {"model": given.model, "requests": given.requests, "compiled": given.compiled, "artifacts": table}
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(any(one["equal"] < one["requests"] for one in table))


def _compared(subject: Any, name: str, count: int, plain: Sequence[list[int]]) -> dict[str, Any]:
    """Ask a server and the local engine the same, and tell how many answers are equal.

    Args:
        subject: The model, served and here.
        name: The artifact.
        count: How many requests.
        plain: What the prompts of those that it steers are answered without it.
    """
    asked = _asked(subject, name, count)
    start = time.perf_counter()
    served = subject.served([(prompt, xargs) for prompt, xargs, _edits in asked])
    middle = time.perf_counter()
    local = subject.local_tokens([(prompt, edits) for prompt, _xargs, edits in asked])
    stops = subject.model.stop_tokens
    found = [one.tokens[:-1] if one.tokens[-1] in stops else one.tokens for one in served]
    equal = [one == other for one, other in zip(found, local, strict=True)]
    moved = sum(one != other for one, other in zip(local[1::2], plain, strict=True))
    told = {
        "artifact": name,
        "method": subject.artifacts[name].method,
        "requests": count,
        "equal": sum(equal),
        "steered": len(plain),
        "moved": moved,
        "first_unequal": equal.index(False) if not all(equal) else None,
    }
    print(  # noqa: T201
        f"{name:18} {told['method']:13} {sum(equal)} of {count} answers equal; steering moved {moved} of {len(plain)} "
        f"(served {middle - start:.0f} s, here {time.perf_counter() - middle:.0f} s)",
        flush=True,
    )
    return told


def _prompts(subject: Any, count: int) -> list[Any]:
    return [subject.prompts[place % len(subject.prompts)] for place in range(count)]


def _asked(subject: Any, name: str, count: int) -> list[tuple[Any, dict[str, Any] | None, Sequence[Any]]]:
    """Return prompts, each with what is asked of the server and the edits that this is here."""
    others = [None, *(other for other in subject.artifacts if other != name)]
    found: list[tuple[Any, dict[str, Any] | None, Sequence[Any]]] = []
    for place, prompt in enumerate(_prompts(subject, count)):
        label = name if place % 2 else others[place // 2 % len(others)]
        if label is None:
            found.append((prompt, None, ()))
            continue
        artifact = subject.artifacts[label]
        fixed = label == "heads-mean"
        strength = artifact.strength * (1.0 if fixed else STRENGTHS[place // 2 % len(STRENGTHS)])
        found.append((prompt, {"artifact": label, "strength": strength}, artifact.edits(strength)))
    return found


if __name__ == "__main__":
    main()
