"""How a study's models are loaded: options of ``trimtab.load`` as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from trimtab.errors import UsageError
from trimtab.fields import check_value

LOADING: dict[str, Any] = {
    "dtype": Literal["float32", "bfloat16", "float16"],
    "device": str,
    "device_map": Literal["auto", "balanced", "balanced_low_0", "sequential"],
    "attention": Literal["sdpa", "eager"],
    "max_pixels": int | None,
    "revision": str,
    "local_files_only": bool,
}
"""Options, with what each takes; ``trimtab.load`` says what they do."""

PLACES = ("device", "device_map", "local_files_only")
"""Options that say where a model comes from and stands. A run may go on elsewhere, so they are no part of it."""


def check_loading(owner: str, options: Mapping[str, Any]) -> None:
    """Refuse options that ``trimtab.load`` does not have, or values of another type.

    Raises:
        UsageError: Naming what is wrong.
    """
    for name, value in options.items():
        if name not in LOADING:
            raise UsageError(f"`load` of {owner} must hold options among {', '.join(LOADING)}; got {name!r}.")
        check_value(f"load.{name}", owner, LOADING[name], value)
    if "device" in options and "device_map" in options:
        raise UsageError(f"`load` of {owner} must have `device` or `device_map`, not both; leave one out.")


def loading_identity(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that change what a model computes."""
    return {name: options[name] for name in LOADING if name in options and name not in PLACES}
