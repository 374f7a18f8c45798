"""Sections of reports: each is one file in ``report/sections``, registered for a kind of study."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

from trimtab.files import write_whole
from trimtab.registry import Registry

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Run:
    """A finished run, as sections see it.

    Attributes:
        path: Its folder.
        summary: What ``summary.json`` says.
        provenance: What ``provenance.json`` says.
    """

    path: Path
    summary: dict[str, Any]
    provenance: dict[str, Any]

    def figure(self, name: str, figure: Figure) -> str:
        """Save a figure as PNG in the run folder, and return it as a data address."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        write_whole(self.path / "figures" / f"{name}.png", buffer.getvalue())
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


Values = Callable[[Run], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Section:
    """A section of the reports of one kind of study.

    Attributes:
        kind: The kind of study.
        title: Its name among the sections of the kind.
        values: Returns what the template shows; None, where a run has nothing to show there.
        template: Jinja, in which ``summary`` and ``provenance`` are known too.
    """

    kind: str
    title: str
    values: Values
    template: str

    @property
    def name(self) -> str:
        """Its name among all sections."""
        return f"{self.kind}/{self.title}"


ANY = ""
"""The kind of sections that every report ends with."""

SECTIONS: Registry[Section] = Registry("`section`")
"""All sections that were imported; ``sections_of`` imports the files in ``report/sections``."""


def section(kind: str, title: str, template: str) -> Callable[[Values], Values]:
    """Decorate the function that returns a section's values, and register the section."""

    def registered(values: Values) -> Values:
        SECTIONS.register(Section(kind, title, values, template))
        return values

    return registered


def sections_of(kind: str, order: tuple[str, ...]) -> list[Section]:
    """Return the sections of a kind in an order; those that it does not name come last."""
    import trimtab.report.sections as home

    for module in walk_packages(home.__path__, f"{home.__name__}."):
        import_module(module.name)
    own = [one for one in SECTIONS.values() if one.kind in (kind, ANY)]
    places = {title: place for place, title in enumerate(order)}
    return sorted(own, key=lambda one: (one.kind == ANY, places.get(one.title, len(places))))


def has_report(kind: str) -> bool:
    """Whether runs of a kind have sections of their own."""
    return any(one.kind == kind for one in sections_of(kind, ()))
