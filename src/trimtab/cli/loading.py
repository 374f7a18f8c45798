"""The options of every verb that loads a model, in one place."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from trimtab.cli.spreading import spread
from trimtab.errors import UsageError

PANEL = "How the model is loaded"
PARAMETER = "loading"
"""The parameter of a verb that gets what was chosen, as keyword arguments of ``trimtab.load``."""

Loading = dict[str, Any]


class Dtype(StrEnum):
    """Number formats that ``trimtab.load`` knows by name."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Attention(StrEnum):
    """Implementations of attention."""

    sdpa = "sdpa"
    eager = "eager"


class DeviceMap(StrEnum):
    """Ways to spread a model over devices."""

    auto = "auto"
    balanced = "balanced"
    balanced_low_0 = "balanced_low_0"
    sequential = "sequential"


OPTIONS: dict[str, Any] = {
    "dtype": Annotated[
        Dtype | None, typer.Option(rich_help_panel=PANEL, help="Number format; the checkpoint's own if left out.")
    ],
    "device": Annotated[
        str | None,
        typer.Option(rich_help_panel=PANEL, help="cpu, cuda, cuda:1, ...; if left out, CUDA where there is one."),
    ],
    "device_map": Annotated[
        DeviceMap | None, typer.Option(rich_help_panel=PANEL, help="Spread a large model over GPUs, memory and disk.")
    ],
    "attention": Annotated[
        Attention | None, typer.Option(rich_help_panel=PANEL, help="Implementation of attention; sdpa if left out.")
    ],
    "max_pixels": Annotated[
        int | None,
        typer.Option(
            rich_help_panel=PANEL,
            min=0,
            help="Scale larger pictures down to this size; 1003520 if left out, 0 for the checkpoint's own limit.",
        ),
    ],
    "revision": Annotated[
        str | None, typer.Option(rich_help_panel=PANEL, help="Branch, tag or commit of a Hugging Face id.")
    ],
    "local_files_only": Annotated[
        bool | None,
        typer.Option(
            "--local-files-only", rich_help_panel=PANEL, help="Use only what was downloaded before; do not ask the Hub."
        ),
    ],
}
"""Each is an argument of ``trimtab.load`` of the same name; what is left out is left to it."""


def loads(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above; it gets those that were given as its parameter ``loading``."""
    return spread(verb, PARAMETER, {name: (annotation, None) for name, annotation in OPTIONS.items()}, _chosen)


def _chosen(given: dict[str, Any]) -> Loading:
    loading = {name: str(v) if isinstance(v, StrEnum) else v for name, v in given.items() if v is not None}
    if loading.get("max_pixels") == 0:
        loading["max_pixels"] = None
    if "device" in loading and "device_map" in loading:
        raise UsageError("`--device` and `--device-map` exclude each other; got both; give one of them.")
    return loading
