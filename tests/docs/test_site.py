"""The site: what is in it. ``make docs`` builds it, where warnings are errors, and checks the reference."""

import importlib
import pkgutil
from pathlib import Path

import yaml

import trimtab

ROOT = Path(__file__).parents[2]
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def pages(nav: object) -> list[str]:
    """Return the pages of a navigation."""
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ()
    return [page for one in inner for page in pages(one)]


def test_the_navigation_names_pages_that_are_there_once_each():
    """A page that it does not name is shown behind the others."""
    named = [page for page in pages(SETTINGS["nav"]) if not page.startswith("repository/")]
    assert len(set(named)) == len(named) > 20
    assert [page for page in named if not (ROOT / "docs" / page).is_file()] == []


def test_the_site_asks_no_other_machine():
    assert SETTINGS["theme"]["font"] is False
    assert SETTINGS["strict"] is True
    assert not {"extra_javascript", "extra_css", "repo_url"} & set(SETTINGS)


def test_every_public_name_is_said_what_it_is():
    """The reference shows what a name's docstring says."""
    silent = []
    for module in pkgutil.iter_modules(trimtab.__path__, "trimtab."):
        home = importlib.import_module(module.name)
        for name in getattr(home, "__all__", ()):
            one = getattr(home, name)
            if callable(one) and getattr(one, "__module__", "").startswith("trimtab") and not one.__doc__:
                silent.append(f"{module.name}.{name}")
    assert silent == []


def test_every_public_name_of_the_package_is_used_somewhere(monkeypatch):
    """The reference shows where; ``make docs`` holds the names of all its packages to it."""
    monkeypatch.syspath_prepend(ROOT / "website")
    usage = importlib.import_module("usage")
    found = {name: usage.use_of("trimtab", name) for name in trimtab.__all__ if name != "__version__"}
    assert [name for name, use in found.items() if use is None] == []
    assert all(use.code in (ROOT / use.path).read_text() for use in found.values() if use.path.startswith("docs/"))
    assert usage.use_of("trimtab.engine", "nothing") is None
