"""Every verb with its arguments and options, found in the application itself; and the tables of ``docs/cli.md``.

``python -m tests.cli.walk`` writes the tables anew.
"""

import dataclasses
import inspect
import json
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo

from trimtab.cli import app
from trimtab.fields import in_words
from trimtab.studies import Plan
from trimtab.studies.kit.loading import LOADING

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


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
            own = [info.default, *(info.param_decls or ())]  # inside Annotated the first name stands as the default
            shown = next((d for d in own if isinstance(d, str) and d.startswith("--")), f"--{shown}")
        yield Given(shown.split("/")[0], _inner(kind), info, parameter.default)


def _inner(kind: Any) -> Any:
    """Return the type of one value of an optional or repeatable parameter."""
    if get_origin(kind) in (Union, types.UnionType):
        return _inner(next(one for one in get_args(kind) if one is not type(None)))
    return get_args(kind)[0] if get_origin(kind) is list else kind


def options_table() -> str:
    """Return a Markdown table of all options: which verbs have them, what they take, what they do."""
    found: dict[tuple[str, str], list[str]] = {}
    for verb in verbs():
        for given in verb.parameters:
            if not given.is_argument and not given.info.hidden:
                found.setdefault((given.name, given.info.help), []).append(verb.name)
    lines = ["| option | verbs | what it does |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| `{name}` | {', '.join(found[name, text])} | {text} |" for name, text in sorted(found))]
    )


def fields_table() -> str:
    """Return a Markdown table of a study file's fields: what each takes, and what stands for one left out."""
    hints = get_type_hints(Plan)
    lines = ["| field | takes | if left out |", "|---|---|---|"]
    for field in dataclasses.fields(Plan):
        default = getattr(Plan(), field.name)
        shown = "the file's name" if field.name == "name" else json.dumps(default)
        lines.append(f"| `{field.name}` | {in_words(hints[field.name])} | {shown} |")
    return "\n".join(lines)


def loading_table() -> str:
    """Return a Markdown table of what ``load`` of a study file takes."""
    lines = ["| entry of `load` | takes |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {in_words(hint)} |" for name, hint in LOADING.items())])


TABLES = {"options": options_table, "fields": fields_table, "load": loading_table}


def with_tables(page: str) -> str:
    """Return the page with its tables written anew, each between two marks."""
    for name, table in TABLES.items():
        start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}{table()}{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
