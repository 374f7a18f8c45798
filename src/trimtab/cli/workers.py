"""The options of every verb that can be spread over several workers, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.early import check_package
from trimtab.cli.spreading import spread
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.engine import Cluster

PANEL = "Over several workers"
PARAMETER = "over"
"""The parameter of a verb that gets the workers that were asked for; None if none were."""

Over = Any
"""``Cluster | None``; typer reads annotations, and must not import the engine for it."""

OPTIONS: dict[str, Any] = {
    "workers": Annotated[
        int | None,
        typer.Option(
            rich_help_panel=PANEL,
            min=1,
            help="Load the model on so many Ray workers, and share the work out; the result is that of one worker.",
        ),
    ],
    "cluster": Annotated[
        str | None,
        typer.Option(
            rich_help_panel=PANEL,
            metavar="ADDRESS",
            help="Ray cluster of the workers, such as auto or ray://head:10001; this machine if left out.",
        ),
    ],
    "gpus_per_worker": Annotated[
        float | None,
        typer.Option(rich_help_panel=PANEL, min=0, help="GPUs of each worker; if left out, 1 where there are any."),
    ],
    "cpus_per_worker": Annotated[
        int | None, typer.Option(rich_help_panel=PANEL, min=1, help="Cores of each worker; 1 if left out.")
    ],
}


def works(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above; it gets the workers as its parameter ``over``."""
    return spread(verb, PARAMETER, {name: (annotation, None) for name, annotation in OPTIONS.items()}, _chosen)


def _chosen(given: dict[str, Any]) -> Cluster | None:
    workers = given["workers"]
    if workers is None:
        if others := [name for name, value in given.items() if value is not None]:
            name = others[0].replace("_", "-")
            raise UsageError(f"`--{name}` needs --workers, which is left out; say how many there are to be.")
        return None
    check_package("ray", "ray")
    from trimtab.engine import Cluster

    return Cluster(workers, given["gpus_per_worker"], given["cpus_per_worker"] or 1, given["cluster"])
