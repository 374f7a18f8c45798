"""What is read off a server's replies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from trimtab.engine import Answers, Readings

Reply = Mapping[str, Any]


def add_answer(found: Answers, reply: Reply | None, stops: Collection[int]) -> None:
    """Add a reply to answers; None for a row that has no answer."""
    if reply is None:
        found.texts.append("")
        found.tokens.append([])
        found.finished.append(False)
        return
    choice = reply["choices"][0]
    tokens: list[int] = list(choice["token_ids"] or ())
    finished = choice["finish_reason"] == "stop"
    found.texts.append((choice["message"]["content"] or "").strip())
    found.tokens.append(tokens[:-1] if finished and tokens and tokens[-1] in stops else tokens)
    found.finished.append(finished)
    _account(found, reply)


def add_top(found: Readings, reply: Reply, count: int) -> None:
    """Add the likeliest tokens of a reply, whose tokens are written as ``token_id:NUMBER``."""
    (first,) = reply["choices"][0]["logprobs"]["content"]
    pairs = [(int(one["token"].removeprefix("token_id:")), float(one["logprob"])) for one in first["top_logprobs"]]
    pairs.sort(key=lambda pair: -pair[1])
    assert found.top is not None
    found.top.append(dict(pairs[:count]))
    _account(found, reply)


def cached_tokens(reply: Reply) -> tuple[int, int]:
    """Return how many tokens of the prompt the server had at hand, and how many it has."""
    usage = reply["usage"]
    return (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0, usage["prompt_tokens"]


def _account(found: Answers | Readings, reply: Reply) -> None:
    """Add a reply's receipt and work up; how many passes a server makes for many requests together is not known."""
    cached, length = cached_tokens(reply)
    found.cost.rows += 1
    found.cost.tokens += length - cached
    found.cost.naive_tokens += length
    receipt = (reply.get("kv_transfer_params") or {}).get("trimtab")
    for edit in [edit for part in receipt["artifacts"] for edit in part["edits"]] if receipt else ():
        entry = found.receipt.entry(edit["edit"], edit["layer"])
        entry.rows += edit["rows"]
        entry.prompt_positions += edit["prompt_positions"]
        entry.generated_positions += edit["generated_positions"]
        entry.passes += 1
        if edit["relative_change"] is not None and edit["prompt_positions"] + edit["generated_positions"]:
            entry.measure([edit["relative_change"]])
