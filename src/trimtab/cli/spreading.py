"""Options that several verbs share, written once: a verb names one parameter, and has them all in its place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints


def spread(
    verb: Callable[..., None],
    parameter: str,
    options: Mapping[str, tuple[Any, Any]],
    gathered: Callable[[dict[str, Any]], Any],
) -> Callable[..., None]:
    """Put options in the place of a keyword-only parameter of a verb.

    Args:
        verb: The verb.
        parameter: The parameter; it gets what ``gathered`` makes of the options.
        options: Annotation and default of each option.
        gathered: Makes the parameter's value of the options' values by name.

    Returns:
        The verb as typer sees it.
    """
    hints = get_type_hints(verb, include_extras=True)
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]
    parameters: list[inspect.Parameter] = []
    for own in inspect.signature(verb).parameters.values():
        parameters += shared if own.name == parameter else [own.replace(annotation=hints[own.name])]

    @functools.wraps(verb)
    def with_options(**given: object) -> None:
        values = {name: given.pop(name) for name in options}
        verb(**given, **{parameter: gathered(values)})

    with_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options
