"""Tasks of inspect_ai: what a model follows where modalities conflict, by our protocols and judges."""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

REPLIES = "trimtab_replies"
"""Where a sample's replies are kept between solver and scorer."""


@task
def conflict(
    items: str = "pocket-mc2:test", images: str | None = None, protocol: str = "open", target: str | None = None
) -> Task:
    """Ask conflict items.

    Args:
        items: What ``trimtab.read_items`` takes.
        images: The folder that pictures are in.
        protocol: ``open``, ``single`` or ``paired``.
        target: Whom to tell the model to follow; left out, it is told nothing.

    Raises:
        TrimtabError: The items cannot be asked so.
    """
    given = {"source": items, "images": images, "protocol": protocol, "target": target}
    asked = _asked(**given)
    samples = [
        Sample(
            input=asked.prompts(item, media=False)[0].body()[0],
            target=json.dumps({name: item.answer_of(name) for name in item.modalities}, ensure_ascii=False),
            id=item.id,
            metadata={"subtask": item.task},
        )
        for item in asked.items.values()
    ]
    config = GenerateConfig(max_tokens=32, temperature=0.0)
    return Task(samples, solver=ask(**given), scorer=judged(**given), config=config)


@solver
def ask(source: str, images: str | None, protocol: str, target: str | None) -> Solver:
    """Ask an item all its prompts, each in a conversation of its own."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        from trimtab.integrations.evals.inspect.messages import message_of

        asked, replies = _asked(source, images, protocol, target), []
        for prompt in asked.prompts(asked.items[str(state.sample_id)]):
            state.messages = [message_of(prompt)]
            state = await generate(state)
            replies.append(state.output.completion)
        state.store.set(REPLIES, replies)
        return state

    return solve


@scorer(metrics={"*": [mean(), stderr()]})
def judged(source: str, images: str | None, protocol: str, target: str | None) -> Scorer:
    """Judge an item's replies: which modality they follow, if any, and whether they are broken."""

    async def score(state: TaskState, target_: Target) -> Score:
        from trimtab.items.answers import sides_of
        from trimtab.studies.kit.protocols import INCONSISTENT

        asked = _asked(source, images, protocol, target)
        item, replies = asked.items[str(state.sample_id)], state.store.get(REPLIES)
        found = asked.judge(item, replies)
        value = {name: float(found.label == name) for name in (*sides_of(item), "other")}
        value |= {"collapse": float(found.collapsed), "inconsistent": float(found.reason == INCONSISTENT)}
        return Score(value=value, answer=" | ".join(replies), explanation=found.reason, metadata={"label": found.label})

    return score


def _asked(source: str, images: str | None, protocol: str, target: Any) -> Any:
    from trimtab.integrations.evals.conflicts import conflicts

    return conflicts(source, images, protocol, target)
