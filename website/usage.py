"""Where each public name is used, for the reference to show: in the documentation, else in a test, else in the source.

All of it runs in CI, so no example is out of date. Only text is read; nothing is imported.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST = 30
"""Lines of an example; what is longer is shown only where nothing shorter uses a name."""

PLACES = ("tests", "recipes", "benchmarks", "training", "src")
"""Where functions are looked for, the better examples first; those of the documentation are better than all."""


@dataclass(frozen=True)
class Use:
    """A piece of code that uses a name.

    Attributes:
        path: Its file, from the repository's root.
        code: The code.
        rank: The better examples first: not too long; of an early one of ``PLACES``; short.
    """

    path: str
    code: str
    rank: tuple[bool, int, int]


def use_of(module: str, name: str) -> Use | None:
    """Return the best use of a public name of a module; None if there is none.

    Args:
        module: Where the name is shown, such as ``trimtab.engine``.
        name: The name.
    """
    home = ".".join(module.split(".")[:2])
    keys = [key for key in _uses() if key[1] == name and (key[0] in (module, "trimtab") or key[0].startswith(home))]
    found = [_uses()[key] for key in keys if key[0] != "trimtab" or home == "trimtab" or name in _offered()]
    return min(found, key=lambda use: use.rank, default=None)


@cache
def _offered() -> frozenset[str]:
    """Return what ``trimtab`` itself offers: there, a name means what it means in the package it is from."""
    tree = ast.parse((ROOT / "src" / "trimtab" / "__init__.py").read_text(encoding="utf-8"))
    lists = [node.value for node in tree.body if isinstance(node, ast.Assign) and _named(node.targets[0]) == "__all__"]
    return frozenset(ast.literal_eval(lists[0]))


@cache
def _uses() -> dict[tuple[str, str], Use]:
    """Return the best use of each name by the module that it is imported from, and the name."""
    found: dict[tuple[str, str], Use] = {}
    for path, known, tree, code, place in _pieces():
        lines = len(code.splitlines())
        use = Use(path, code, (lines > LONGEST, place, lines))
        for key in _names(tree, known):
            if key not in found or use.rank < found[key].rank:
                found[key] = use
    return found


Piece = tuple[str, dict[str, tuple[str, str]], ast.AST, str, int]
"""Its file, what its names mean, the code parsed and as text, and how good a place it is from, 0 the best."""


def _pieces() -> Iterator[Piece]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        yield from _of_blocks(page, blocks)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [one for one in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if one["cell_type"] == "code"]
        yield from _of_blocks(notebook, ["".join(line for line in one["source"] if line[0] != "%") for one in cells])
    for rank, place in enumerate(PLACES, 1):
        for file in sorted((ROOT / place).rglob("*.py")):
            yield from _functions(file, rank)


def _functions(file: Path, rank: int) -> Iterator[Piece]:
    """Yield the functions, classes and assignments of a file; none is a use of what it defines itself."""
    text = file.read_text(encoding="utf-8")
    tree = ast.parse(text)
    known = _defined(file, tree) | _imported(tree)
    inner = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in [*inner, *(one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign | ast.Expr))]:
        own = {getattr(node, "name", "")} | {_named(one) for one in _targets(node)}
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
        code = textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
        used = {name: home for name, home in (known | _imported(node)).items() if name not in own}
        yield str(file.relative_to(ROOT)), used, node, code, rank


def _of_blocks(page: Path, blocks: list[str]) -> Iterator[Piece]:
    """Yield the blocks of a page, each of which may use what those before it imported."""
    known: dict[str, tuple[str, str]] = {}
    for block in blocks:
        tree = ast.parse(block)
        known |= _imported(tree)
        yield str(page.relative_to(ROOT)), dict(known), tree, textwrap.dedent(block).strip("\n"), 0


def _defined(file: Path, tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Return the names that a file of the source defines: its own functions show how these are used, too."""
    if not file.is_relative_to(ROOT / "src"):
        return {}
    module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
    targets = [one for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for one in _targets(node)]
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return {name: (module, name) for name in [*names, *map(_named, targets)] if name}


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AnnAssign) else []


def _imported(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Return the names of trimtab that are imported, and ``tt`` where the package is: module and name by name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trimtab"):
            found |= {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name: ("trimtab", "") for one in node.names if one.name == "trimtab"}
    return found


def _names(tree: ast.AST, known: dict[str, tuple[str, str]]) -> set[tuple[str, str]]:
    """Return what a piece of code uses, beside its imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in known:
            found.add(known[node.id])
        if isinstance(node, ast.Attribute) and (home := known.get(_named(node.value))):
            found.add((".".join(filter(None, home)), node.attr))
    return found


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
