"""Arguments that a function does not have are named, with those that it has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from trimtab.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


def arguments_named(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function say which arguments it takes when it is given another."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        if unknown := [name for name in kwargs if name not in known]:
            hint = "; give sampling as decoding=Decoding(...)" if "decoding" in known else ""
            raise UsageError(
                f"`{unknown[0]}` is no argument of {function.__name__}, which takes {', '.join(known)}{hint}."
            )
        return function(*args, **kwargs)

    return checked
