"""Checks, while tests run, the shapes that signatures state; tests/conftest.py turns it on."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

SOURCE = Path(__file__).parents[1] / "src"
REFUSED_IN_WORDS = {"trimtab.engine.edits.vector"}
"""Modules that refuse arrays of another shape themselves, as tests of what they say must see."""

Function = TypeVar("Function", bound=Callable)


def modules_with_shapes() -> list[str]:
    """The modules that import jaxtyping, found without importing any."""
    return sorted(
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in (SOURCE / "trimtab").rglob("*.py")
        if "\nfrom jaxtyping import " in path.read_text(encoding="utf-8")
    )


def check_shapes() -> None:
    """Have functions and dataclasses of those modules checked at each call; call it before they are imported."""
    install_import_hook(sorted(set(modules_with_shapes()) - REFUSED_IN_WORDS), "tests.shapes.only_arrays")


def only_arrays(function: Function) -> Function:
    """Check a function's arrays alone: what else a caller may give wrong, the library refuses in words of its own."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    return beartype(function) if function.__annotations__ else function


def _has_shape(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(_has_shape(part) for part in get_args(hint))
