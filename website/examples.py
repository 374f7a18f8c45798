"""Gives each public name of the reference an example: where it is used, as its docstring says nothing of that."""

from __future__ import annotations

import textwrap
from typing import Any

import griffe

from hooks import members, methods, public_modules
from usage import use_of

METHOD = """
Examples:
    On the command line:

    ```sh
    trimtab {verb}
    ```
"""
VERBS = {
    "steering": "fit {name} pocket-qwen pocket-mc2:train --target image --limit 120 --out {name}-image",
    "contribution": "measure pocket-qwen pocket-mc2:test --method {name} --limit 40",
}


class Examples(griffe.Extension):
    """Writes an example under each docstring of a public name that has none."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Write them when all of the package is read."""
        for module in public_modules(pkg):
            for name in members(module):
                target, example = _target(module, name), _example(module, name)
                if example and not _has_one(target):
                    target.docstring = target.docstring or griffe.Docstring("", parent=target)
                    target.docstring.value += "\n" + example


def without_example(package: griffe.Module) -> list[str]:
    """Return the public classes and functions that neither show an example nor are shown in one."""
    return [
        f"{module.path}.{name}"
        for module in public_modules(package)
        for name in members(module)
        if (module[name].is_class or module[name].is_function)
        if not _has_one(_target(module, name)) and not _example(module, name)
    ]


def _target(module: griffe.Module, name: str) -> griffe.Object:
    one = module[name]
    return one.final_target if one.is_alias else one


def _has_one(target: griffe.Object) -> bool:
    return target.docstring is not None and "\nExample" in target.docstring.value


def _example(module: griffe.Module, name: str) -> str:
    for home, verb in VERBS.items():
        if module.path == f"trimtab.{home}":
            stated = {kind.name: said for said, kind in methods(module.package, home)}
            if name in stated:
                return METHOD.format(verb=verb.format(name=stated[name]))
    use = use_of(module.path, name)
    inside = use is not None and use.path.startswith("src/")
    if use is None or (inside and module[name].is_attribute):  # how the source uses a constant tells a reader nothing
        return ""
    told = f"As in `{use.path}`:\n\n```python\n{use.code}\n```"
    return "\nExamples:\n" + textwrap.indent(told, "    ") + "\n"
