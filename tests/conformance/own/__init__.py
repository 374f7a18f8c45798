"""What each family's own processor writes in a picture's place: a file a family, found by its place.

Each has ``texts(model, pictures)``, which returns a text for each of several pictures that are processed together.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from PIL.Image import Image

from trimtab.models import Model

OWN: dict[str, Callable[[Model, list[Image]], list[str]]] = {}

for _module in iter_modules(__path__):
    _found: Any = import_module(f"{__name__}.{_module.name}")
    OWN[_module.name] = _found.texts
