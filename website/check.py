"""Checks the built site: each public name has an entry, classes and functions an example; no page asks another machine.

``python website/check.py site``
"""

from __future__ import annotations

import re
import sys
import zlib
from pathlib import Path

from examples import without_example
from hooks import code, members, public_modules

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'\s>]+|"
    r"<link\b[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon)[^>]*href=[\"']?(?:https?:)?//[^\"'\s>]+"
)
"""What a browser fetches by itself from elsewhere; a link that a reader may follow is none."""


def entries(site: Path) -> set[str]:
    """Return the names that the reference has an entry for."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(packed).decode().splitlines()}


def missing(site: Path) -> list[str]:
    """Return the public names without an entry."""
    known = entries(site)
    wanted = [f"{module.path}.{name}" for module in public_modules(code()) for name in members(module)]
    return [name for name in wanted if name not in known]


def fetched(site: Path) -> list[str]:
    """Return what pages would fetch from other machines, with the page."""
    return [
        f"{page.relative_to(site)}: {found}"
        for page in sorted(site.rglob("*.html"))
        for found in LOADED.findall(page.read_text(encoding="utf-8"))
    ]


def main() -> int:
    """Check the site whose folder is the first argument; say what is wrong."""
    site = Path(sys.argv[1])
    wrong = [f"no entry in the reference: {name}" for name in missing(site)]
    wrong += [f"no example in the reference: {name}" for name in without_example(code())]
    wrong += [f"asks another machine: {one}" for one in fetched(site)]
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.stdout.write(f"{len(entries(site))} entries, {len(wrong)} faults\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
