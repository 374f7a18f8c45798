"""The options of a verb that shows media: one for each modality that can be shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.spreading import spread
from trimtab.modalities import FACTS, SHOWN, Modality

PARAMETER = "shown"
"""The parameter of a verb that gets what was given: a list of one file for each modality."""

Shown = dict[Modality, list[Path]]

OPTIONS: dict[str, Any] = {kind: Annotated[Path | None, typer.Option(help=FACTS[kind].file)] for kind in SHOWN}


def shows(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above."""
    return spread(verb, PARAMETER, {kind: (annotation, None) for kind, annotation in OPTIONS.items()}, _given)


def _given(files: dict[str, Path | None]) -> Shown:
    return {kind: [file] for kind in SHOWN if (file := files[kind]) is not None}
