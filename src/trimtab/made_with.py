"""Which code computes: what must be the same for results to belong together."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

TELLING = ("cli", "report", "testing")
"""Packages that tell what others computed, or test; a change in them changes no number."""


@cache
def source_digest() -> str:
    """Digest the source of everything in trimtab that computes; equal in a checkout and in a wheel made of it."""
    home, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        name = path.relative_to(home)
        if name.parts[0] not in TELLING:
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:12]
