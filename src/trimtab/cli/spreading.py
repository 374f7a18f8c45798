"""Options that several verbs share, written once: a verb names one parameter, and has them all in its place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_type_hints

import typer

from trimtab.cli.console import quietly

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress and no remarks; results, warnings and errors stay.")
]


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

    return _seen_as(with_options, parameters)


def with_quiet(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the option ``--quiet``; what it does then is told by nothing but its results and its errors."""
    hints = get_type_hints(verb, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(verb).parameters.values()]

    @functools.wraps(verb)
    def hushed(quiet: bool = False, **given: object) -> None:
        with quietly(quiet):
            verb(**given)

    quiet = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    return _seen_as(hushed, [*own, quiet])


def _seen_as(verb: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """Give a verb the parameters that typer shall see."""
    verb.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    verb.__annotations__ = {p.name: p.annotation for p in parameters}
    return verb
