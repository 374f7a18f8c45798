"""What mkdocs is told beside its settings: pages made from the code, and links that leave ``docs/``.

The package is read, never imported, so the site is built without torch.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
REPOSITORY = "repository"
"""Folder of the site for pages that lie outside ``docs/``."""


def code() -> griffe.Module:
    """Read the package."""
    found = griffe.load("trimtab", search_paths=[str(ROOT / "src")], resolve_aliases=True)
    assert isinstance(found, griffe.Module)
    return found


def public_modules(package: griffe.Module) -> list[griffe.Module]:
    """Return what has a page in the reference: the package, and what stands in it and says what is public."""
    inner = [module for name, module in sorted(package.modules.items()) if not name.startswith("_")]
    named = [module for module in inner if module.exports or not module.is_init_module]
    return [package, *(module for module in named if module.name not in PRIVATE)]


PRIVATE = ("artifact_checks", "file_names", "files", "locks", "made_with", "nearest", "cli")
"""Parts that no user calls; verbs have a page of their own."""


def members(module: griffe.Module) -> list[str]:
    """Return the public names of a module: its ``__all__``, or what it defines without an underscore."""
    if module.exports is not None:
        return sorted(str(name) for name in module.exports if str(name) != "__version__")
    return sorted(name for name, one in module.members.items() if not name.startswith("_") and not one.is_alias)


METHODS = {"steering": "Steering methods", "contribution": "Measures of contribution"}
"""Packages whose registered methods have a page each."""


def methods(package: griffe.Module, home: str) -> Iterator[tuple[str, griffe.Class]]:
    """Yield the methods of a package: public classes that state a name."""
    for name in members(package[home]):
        one = package[home][name]
        target = one.final_target if one.is_alias else one
        if isinstance(target, griffe.Class) and (stated := _stated(target, "name")):
            yield stated, target


def _stated(kind: griffe.Class, attribute: str) -> str:
    """Return what a class, or the nearest one above it, states as an attribute; empty if none does."""
    for one in (kind, *kind.mro()):
        found = one.members.get(attribute)
        if found is not None and found.is_attribute and getattr(found, "value", None) is not None:
            return str(found.value).strip("\"'")
    return ""


FACTS = (
    ("title", "In tables"),
    ("has_strength", "Has a strength"),
    ("adds_vector", "Adds a vector after one layer"),
    ("changes_prompt", "Asks another prompt instead of editing the model"),
    ("needs", "Needs of the engine"),
    ("targets", "Toward"),
    ("compared_with", "Reports compare it with"),
)


def method_page(name: str, kind: griffe.Class, home: str) -> str:
    """Return the page of a method, made from its class."""
    lines = [
        f"# `{name}`",
        "",
        f"::: {kind.path}",
        "    options:",
        "      members: false",
        "      show_bases: false",
        "",
    ]
    if home == "steering":
        facts = [(words, _stated(kind, key)) for key, words in FACTS]
        lines += ["## Facts", "", "| fact | of this method |", "|---|---|"]
        lines += [f"| {words} | {_in_words(value)} |" for words, value in facts if value]
        command = f"trimtab fit {name} pocket-qwen pocket-mc2:train --target image --limit 120 --out {name}-image"
        lines += ["", "## Use", "", f"    {command}"]
        lines += [f"    trimtab evaluate pocket-qwen pocket-mc2:test --artifact {name}-image --limit 160", ""]
        lines += ["## Results and limits", ""]
        lines += ["[Steering](../steering.md) has every method's results and limits side by side;"]
        lines += ["[Evidence](../evidence.md) says what they could show.", ""]
    else:
        command = f"trimtab measure pocket-qwen pocket-mc2:test --method {name} --limit 40"
        lines += ["## Use", "", f"    {command}", "", "## Results and limits", ""]
        lines += ["[Which measure tells which modality a model uses?](../contribution_validity.md)", ""]
    return "\n".join(lines)


def _in_words(value: str) -> str:
    value = {"True": "yes", "False": "no", "()": "none", "frozenset()": "nothing beside answers"}.get(value, value)
    return value.replace("MODALITIES", "any modality").strip("()").replace("'", "").rstrip(",").replace("|", "or")


def pages(package: griffe.Module) -> dict[str, dict[str, str]]:
    """Return the pages made from the code: text by path, under the heading of the navigation that they belong to."""
    found: dict[str, dict[str, str]] = {"Methods": {}, "API reference": {}}
    for home, title in METHODS.items():
        own = dict(sorted(methods(package, home)))
        rows = [f"| [`{name}`]({name}.md) | {_first_sentence(kind)} |" for name, kind in own.items()]
        table = ["| method | what it is |", "|---|---|", *rows]
        found["Methods"][f"methods/{home}.md"] = "\n".join([f"# {title}", "", *table, ""])
        found["Methods"] |= {f"methods/{name}.md": method_page(name, kind, home) for name, kind in own.items()}
    for module in public_modules(package):
        lines = [f"# `{module.path}`", "", f"::: {module.path}", "    options:", f"      members: {members(module)}"]
        found["API reference"][f"api/{module.path}.md"] = "\n".join([*lines, ""])
    return found


def _first_sentence(kind: griffe.Class) -> str:
    text = kind.docstring.value if kind.docstring else ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def outside() -> dict[str, str]:
    """Return the pages of the repository that lie outside ``docs/``: text by path in the site."""
    files = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "src").rglob("README.md"))]
    return {f"{REPOSITORY}/{file.relative_to(ROOT)}": file.read_text(encoding="utf-8") for file in files}


def named(nav: object) -> set[str]:
    """Return the pages that a navigation names."""
    if isinstance(nav, str):
        return {nav}
    inner = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ()
    return {page for one in inner for page in named(one)}


def unplaced(nav: object) -> list[str]:
    """Return the pages of ``docs/`` that a navigation does not name yet: they are shown behind the others."""
    there = (str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))
    return sorted(set(there) - named(nav))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that are made from the code."""
    sys.path.insert(0, str(ROOT / "website"))  # for examples.py, which mkdocstrings opens by its path
    made = pages(code())
    for part in config.nav or []:
        for heading, own in made.items():
            if heading in part:
                part[heading] = list(own)
    if more := unplaced(config.nav):
        config.nav = [*(config.nav or []), {"More": more}]
    config["made_pages"] = {path: text for own in made.values() for path, text in own.items()} | outside()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for path, text in config["made_pages"].items():
        files.append(File.generated(config, path, content=text))
    return files


LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave ``docs/`` lead to the site's copy, or be plain words where it has none."""
    source = page.file.src_uri
    home = ROOT / (source.removeprefix(f"{REPOSITORY}/") if source.startswith(REPOSITORY) else f"docs/{source}")

    def led(found: re.Match[str]) -> str:
        picture, words, target, anchor = found.group(1), found.group(2), found.group(3), found.group(4) or ""
        if "://" in target or target.startswith("mailto:") or source.startswith(("methods/", "api/")):
            return found.group(0)
        there = (home.parent / target).resolve()
        if not there.is_relative_to(ROOT):
            return found.group(0)
        inside = there.relative_to(ROOT).as_posix()
        for uri in (inside.removeprefix("docs/"), f"{REPOSITORY}/{inside}"):
            if files.get_file_from_path(uri) is not None and (uri != inside or not inside.startswith("docs/")):
                up = "../" * source.count("/")
                return f"{picture}[{words}]({up}{uri}{anchor})"
        return found.group(0) if picture else words

    return LINK.sub(led, markdown)
