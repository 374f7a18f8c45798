"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from trimtab.cli.completing import complete_data, complete_method, complete_model
from trimtab.modalities import Modality

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="pocket-qwen, pocket-llava, smol-llava, a folder, or a Hugging Face id.",
        autocompletion=complete_model,
    ),
]
ModelOrServer = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="pocket-qwen, pocket-llava, smol-llava, a folder, a Hugging Face id, or the address of a server that "
        "trimtab serve started.",
        autocompletion=complete_model,
    ),
]
DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="pocket-mc2:SPLIT, pocket-interference:SPLIT; a .jsonl, .parquet or .arrow file, a folder of datasets, or "
        "a .yaml that maps the columns of one; MC²'s or VQA's .json; FILE:SPLIT for a split of it.",
        autocompletion=complete_data,
    ),
]
MethodName = Annotated[
    str,
    typer.Argument(
        metavar="METHOD", help="A steering method; docs/steering.md lists them.", autocompletion=complete_method
    ),
]
Split = Annotated[str | None, typer.Option(help="Use only the items of this split.")]
Images = Annotated[Path | None, typer.Option(help="Folder that image paths are relative to; for MC², the COCO folder.")]
SkipMissing = Annotated[bool, typer.Option("--skip-missing", help="Leave out items whose image is missing.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Use at most this many items, balanced over tasks; all if left out.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")]
MaxNewTokens = Annotated[
    int | None,
    typer.Option(min=1, help="Most tokens of an answer; if left out, 16 for the bundled models and 32 for others."),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="NAME=VALUE", help="An option of the method, its value written as in YAML; repeatable."
    ),
]
InstructionText = Annotated[
    str | None,
    typer.Option(help="Which modality to follow: image, text, or an instruction in your own words."),
]
Target = Annotated[Modality, typer.Option(help="The modality to follow.")]
RelevantTo = Annotated[
    Literal[Modality, "both"] | None,
    typer.Option(help="What the right answer needs, for items that do not say so; both: image and text."),
]

PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Run nothing; say what it will cost: steps, items, prompts, answers and time.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]
