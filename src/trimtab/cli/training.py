"""The options of a training loop, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from trimtab.cli.spreading import spread

Training = dict[str, Any]
"""What was chosen, as fields of ``HardenConfig``."""

BatchSize = Annotated[int, typer.Option(min=1, help="Items in a step; each comes with all its views.")]
MicroBatch = Annotated[int | None, typer.Option(min=1, help="Items in one forward pass; fewer take less memory.")]
EvaluateEvery = Annotated[int, typer.Option(min=1, help="Steps between evaluations and checkpoints.")]
Patience = Annotated[
    int, typer.Option(min=0, help="Stop after this many evaluations without improvement; 0 never stops early.")
]
Checkpointing = Annotated[
    bool, typer.Option("--checkpointing", help="Compute activations again in the backward pass: slower, less memory.")
]
Shard = Annotated[
    bool, typer.Option("--shard", help="Spread the model's layers over the processes that torchrun started.")
]
ReportTo = Annotated[list[str] | None, typer.Option(help="Where to log: tensorboard, wandb, ...")]

OPTIONS: dict[str, tuple[Any, Any]] = {
    "steps": (Annotated[int, typer.Option(min=1, help="Optimiser steps.")], 200),
    "batch_size": (BatchSize, 8),
    "micro_batch": (MicroBatch, None),
    "learning_rate": (Annotated[float, typer.Option(help="Peak learning rate.")], 2e-4),
    "evaluate_every": (EvaluateEvery, 50),
    "patience": (Patience, 0),
    "precision": (Annotated[str, typer.Option(help="float32, bfloat16 or float16 (mixed).")], "float32"),
    "checkpointing": (Checkpointing, False),
    "shard": (Shard, False),
    "report_to": (ReportTo, None),
}


def trains(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above; it gets them as its parameter ``training``."""
    return spread(verb, "training", OPTIONS, _chosen)


def _chosen(given: dict[str, Any]) -> Training:
    return {**given, "report_to": tuple(given["report_to"] or ())}
