"""Arguments and options that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Target(StrEnum):
    """The modality to follow."""

    image = "image"
    text = "text"


ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="pocket-qwen, pocket-llava, a folder, or a Hugging Face id.")
]
DataSource = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help="pocket-mc2:SPLIT, pocket-interference:SPLIT, or a .jsonl, .parquet or MC² .json file."
    ),
]
Split = Annotated[str | None, typer.Option(help="Use the items of this split of the file only.")]
Images = Annotated[Path | None, typer.Option(help="Folder that image paths start from; for MC², the COCO folder.")]
SkipMissing = Annotated[bool, typer.Option("--skip-missing", help="Leave out items whose image is missing.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use so many items, balanced over tasks; all if left out.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]
