"""Names that users give, of models and methods, as names of files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from trimtab.errors import UsageError

LONGEST = 80
"""Characters of a file's name."""

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ,_+=.()-]*")
_OTHERS = re.compile(r"[^A-Za-z0-9_+=.-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_name(name: str) -> str:
    """Return a name as the name of one file or folder on any system.

    A plain name stays as it is, with ``--`` for ``/``; whatever could leave the folder, is reserved or is too long for
    some system gets its odd characters replaced and a digest of the whole name.
    """
    tidy = name.removeprefix("/").replace("/", "--")
    if _PLAIN.fullmatch(tidy) and not _RESERVED.fullmatch(tidy) and tidy[-1] not in " ." and len(tidy) <= LONGEST:
        return tidy
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{_OTHERS.sub('-', tidy)[: LONGEST - 20].strip('-.') or 'name'}-{digest}"


def check_names(names: Iterable[str], owner: str) -> None:
    """Refuse names whose files would be one and the same on some system.

    Args:
        names: Different names.
        owner: What they are, for the error.

    Raises:
        UsageError: Naming two of them.
    """
    seen: dict[str, str] = {}
    for name in names:
        key = file_name(name).casefold()
        if seen.setdefault(key, name) != name:
            raise UsageError(
                f"{owner} must have names of files that differ in more than upper and lower case; got {seen[key]!r} "
                f"and {name!r}; change one of them."
            )
