"""Things known by name: families, methods, perturbations, protocols, artifacts, studies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar

from trimtab.errors import UsageError
from trimtab.nearest import did_you_mean

T = TypeVar("T")
Entry = TypeVar("Entry")


class Registry(Mapping[str, T]):
    """A mapping from name to thing, in the order in which things were made known.

    Attributes:
        what: What a message calls such a name, for example ``"`method`"``.
        key: The attribute of an entry that is its name.
    """

    def __init__(self, what: str, key: str = "name") -> None:
        self.what = what
        self.key = key
        self._entries: dict[str, Any] = {}

    def register(self, entry: Entry) -> Entry:
        """Make an entry known by its own name, and return it: a decorator.

        Raises:
            UsageError: The name is no name, or is taken.
        """
        name = getattr(entry, self.key)
        if not isinstance(name, str) or not name or name in self._entries:
            raise UsageError(f"{self.what} must be a new name to be registered; got {name!r}; choose another.")
        self._entries[name] = entry
        return entry

    def named(self, name: object, what: str | None = None) -> T:
        """Return the entry of a name.

        Args:
            name: The name.
            what: What the message calls it; left out, ``self.what``.

        Raises:
            UsageError: It is not known; the message lists those that are.
        """
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        meant = did_you_mean(name, self._entries)
        raise UsageError(f"{what or self.what} must be one of {', '.join(self._entries)}; got {name!r}{meant}")

    def __getitem__(self, name: str) -> T:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        """Name what is known."""
        return f"Registry({self.what!r}: {', '.join(self._entries)})"


def import_inside(package: str, path: Iterable[str], *, packages: bool = False) -> None:
    """Import what stands in a package, so that it can register itself: what is found by its place is listed nowhere.

    Args:
        package: The package's full name.
        path: Its ``__path__``.
        packages: Import only the packages in it.
    """
    for module in iter_modules(path):
        if module.ispkg or not packages:
            import_module(f"{package}.{module.name}")
