"""YAML from strangers as plain data: no tags, no surprises, and nothing that grows when it is read."""

from __future__ import annotations

import re
from typing import Any

import yaml

LARGEST_TEXT = 1_000_000
"""Characters of a file."""

MOST_VALUES = 10_000
"""Values, each alias counted as what it stands for."""

DEEPEST = 20
"""Levels of lists and mappings within each other."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, and takes ``1e-3`` for the number it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str) -> object:
    """Read plain data: mappings, lists, text, numbers, truth values and nothing.

    Raises:
        ValueError: With what is wrong, in one line.
    """
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"it has {len(text):,} characters, more than {LARGEST_TEXT:,}")
    try:
        _check_size(text)
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(_in_one_line(error)) from error
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from error


def _check_size(text: str) -> None:
    """Count values and levels without building anything, since a few lines of aliases can stand for billions."""
    open_nodes: list[tuple[str | None, int]] = []
    sizes: dict[str, int] = {}
    total = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_nodes):
                raise ValueError(f"alias {event.anchor!r} stands for something that it is a part of")
            total += sizes.get(event.anchor, 1)
        if total > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if len(open_nodes) > DEEPEST:
            raise ValueError(f"its lists and mappings stand more than {DEEPEST} deep within each other")


def _in_one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(f"{problem}{where}".split())
