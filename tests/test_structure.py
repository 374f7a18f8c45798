"""What the source must keep to, found by reading it."""

import ast
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import grimp
import pytest

import trimtab

SOURCE = Path(trimtab.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))


def circles() -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan's components of two and more)."""
    graph = grimp.build_graph("trimtab", cache_dir=None, exclude_type_checking_imports=True)
    edges = {m: sorted(graph.find_modules_directly_imported_by(m)) for m in graph.modules}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        open_.append(module)
        for imported in edges[module]:
            if imported not in number:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in open_:
                low[module] = min(low[module], number[imported])
        if low[module] == number[module]:
            at = open_.index(module)
            group, open_[at:] = open_[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph.modules):
        if module not in number:
            visit(module)
    return found


def test_no_modules_import_each_other_in_a_circle():
    assert circles() == []


def test_no_script_hides_a_module_that_python_brings():
    scripts = (Path(__file__).parents[1] / "benchmarks").rglob("*.py")
    assert not {script.stem for script in scripts} & sys.stdlib_module_names


def test_no_file_is_too_long_to_read():
    assert {str(p.relative_to(SOURCE)): n for p in FILES if (n := len(p.read_text().splitlines())) > 350} == {}


LONGEST = 60
"""Lines of a function, its signature and docstring with it."""


def lengths() -> dict[str, int]:
    """Lines of every function, by its file and name."""
    found = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno is not None
                found[f"{path.relative_to(SOURCE)}:{node.name}"] = node.end_lineno - node.lineno + 1
    return found


def test_no_function_is_too_long_to_read():
    assert {name: lines for name, lines in lengths().items() if lines > LONGEST} == {}


def packages() -> list[str]:
    """Every package by its full name."""
    return ["trimtab", *(m.name for m in pkgutil.walk_packages(trimtab.__path__, "trimtab.") if m.ispkg)]


@pytest.mark.parametrize("name", packages())
def test_no_name_of_a_package_hides_a_module_of_it(name: str):
    package = importlib.import_module(name)
    inside = {module.name for module in pkgutil.iter_modules(package.__path__)}
    offered = set(getattr(package, "__all__", ()))
    assert {one for one in offered & inside if not inspect.ismodule(getattr(package, one))} == set()
