"""Every verb with its arguments and options, found in the application itself."""

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from typer.models import ArgumentInfo

from trimtab.cli import app


@dataclass(frozen=True)
class Given:
    """An argument or option of a verb: its name on the command line, its type, and what typer knows of it."""

    name: str
    kind: Any
    info: Any
    default: Any

    @property
    def is_argument(self) -> bool:
        return isinstance(self.info, ArgumentInfo)

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def is_flag(self) -> bool:
        return self.kind is bool


@dataclass(frozen=True)
class Verb:
    words: tuple[str, ...]
    parameters: tuple[Given, ...]

    @property
    def name(self) -> str:
        return " ".join(self.words)


def verbs() -> list[Verb]:
    return [Verb(words, tuple(_parameters(call))) for words, call in _commands(app, ())]


def _commands(group: Any, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    for command in group.registered_commands:
        yield (*before, command.name or command.callback.__name__), command.callback
    for inner in group.registered_groups:
        yield from _commands(inner.typer_instance, (*before, inner.name))


def _parameters(call: Callable[..., Any]) -> Iterator[Given]:
    for name, parameter in inspect.signature(call, eval_str=True).parameters.items():
        assert get_origin(parameter.annotation) is Annotated, (call, name)
        kind, info = get_args(parameter.annotation)[:2]
        shown = name.replace("_", "-")
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or name.upper()
        else:
            shown = next((d for d in info.param_decls or () if d.startswith("--")), f"--{shown}")
        yield Given(shown.split("/")[0], _inner(kind), info, parameter.default)


def _inner(kind: Any) -> Any:
    """Return the type of one value of an optional or repeatable parameter."""
    if get_origin(kind) in (Union, types.UnionType):
        return _inner(next(one for one in get_args(kind) if one is not type(None)))
    return get_args(kind)[0] if get_origin(kind) is list else kind
