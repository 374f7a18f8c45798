"""What a shell completes: names of bundled models, data and methods. Paths are left to the shell.

Each press of the tab key starts a process, so nothing here imports torch.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path


def complete_model(incomplete: str) -> list[str]:
    """Return the bundled models that begin so."""
    from trimtab.bundled import BUNDLED

    return [name for name in BUNDLED if name.startswith(incomplete)]


def complete_data(incomplete: str) -> list[str]:
    """Return the bundled benchmark's splits that begin so."""
    from trimtab.items.readers.pocket import POCKET_SOURCES, POCKET_SPLITS

    names = [f"{source}:{split}" for source in POCKET_SOURCES for split in POCKET_SPLITS]
    return [name for name in names if name.startswith(incomplete)]


_NAME = re.compile(r'^    name: ClassVar\[str\] = "(\w+)"$', re.MULTILINE)


def complete_method(incomplete: str) -> list[str]:
    """Return the steering methods that begin so; read from their files, since importing them takes seconds."""
    spec = find_spec("trimtab")
    homes = [] if spec is None else [Path(place, "steering") for place in spec.submodule_search_locations or ()]
    names = [name for home in homes for file in home.glob("*/method.py") for name in _NAME.findall(file.read_text())]
    return sorted(name for name in names if name.startswith(incomplete))
