"""Where numbers come from: finished runs, and the JSON files of benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from benchmarks.harden.settings import SETTINGS

from trimtab.errors import RunFolderError, UsageError
from trimtab.studies import kinds, read_plan, read_provenance, read_summary
from trimtab.studies.kit.run_folder import CONFIG

RECIPES = Path(__file__).parents[2] / "recipes"
FAST = " --fast"
"""What the name of a fast study ends with."""

_MODELS = "--models pocket-qwen pocket-llava smol-llava"
FILES = {
    "contribution_held_out.json": f"python -m benchmarks.contribution.held_out {_MODELS}",
    "contribution_validity.json": f"python -m benchmarks.contribution.validity {_MODELS}",
    "what_the_score_measures.json": f"python -m benchmarks.contribution.inversion {_MODELS}",
}
"""Known files of benchmarks, and the commands that write them."""


@dataclass(frozen=True)
class Source:
    """A run or a file.

    Attributes:
        kind: The kind of study, or the name of the file.
        path: Where it is.
        found: Its summary, or what the file holds.
        command: What makes it.
        provenance: What it was made with; empty for files.
    """

    kind: str
    path: Path
    found: dict[str, Any]
    command: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the page calls it."""
        return self.path.name

    @property
    def items_digest(self) -> str | None:
        """Digest of its test items; None where it has none, or where it is not known."""
        return self.provenance.get("data", {}).get("test", {}).get("fingerprint")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of its models."""
        models = self.found.get("models")
        if models is not None:
            return tuple(models)
        model = self.found.get("model", "")
        # Circuits keep the name beside the description, interference inside it, and measurements nothing else.
        name = self.found.get("name") or (model["name"] if isinstance(model, dict) else model)
        return (str(name),)


@dataclass(frozen=True)
class Evidence:
    """All sources of a page; ``left_out`` says which paths have nothing to tell, and why."""

    sources: tuple[Source, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def of(self, kind: str) -> Iterator[Source]:
        """Return the sources of a kind."""
        return (source for source in self.sources if source.kind == kind)


def read(paths: Iterable[Path]) -> Evidence:
    """Read run folders and JSON files; runs that are not finished are left out.

    Raises:
        UsageError: A file is not of a known benchmark, or there is nothing at a path.
    """
    sources, left_out = [], []
    for path in paths:
        if path.is_dir():
            try:
                sources.append(_run(path))
            except RunFolderError as error:
                left_out.append((path.name, str(error)))
        elif path.is_file() and path.name in FILES:
            sources.append(Source(path.name, path, json.loads(path.read_text("utf-8")), FILES[path.name]))
        else:
            raise UsageError(f"`RUN` must be a run folder or a file among {', '.join(FILES)}; got {path}.")
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"`RUN` must have names of their own; several are called {name}; rename one.")
    return Evidence(tuple(sources), tuple(left_out))


def _run(path: Path) -> Source:
    found = read_summary(path)
    config = path / CONFIG
    plan = (yaml.safe_load(config.read_text("utf-8")) if config.is_file() else {}).get("plan", {})
    command = command_of(found["kind"], plan, path.name)
    return Source(found["kind"], path, found, command, read_provenance(path))


def command_of(kind: str, plan: dict[str, Any], name: str) -> str:
    """Return the command that makes a run, or the nearest one with a pointer to the settings that differ."""
    told = _told(plan)
    for recipe, found in _recipes().items():
        for suffix, known in (("", found), (FAST, found.fast())):
            if told == _told(known.resolved()):
                return f"trimtab study {recipe}{suffix} --out runs/{name}"
    if kind == "steering":
        return _changed_steering(plan, name)
    verb = {"measurement": "measure"}.get(kind, kind)
    model, data = plan.get("model", "MODEL"), plan.get("data", "DATA")
    made: Any = kinds().named(kind).plan_type
    usual, some = {"model": model, "data": data}, ""
    if plan.get("limit") is not None:
        usual, some = {**usual, "limit": plan["limit"]}, f" --limit {plan['limit']}"
    command = f"trimtab {verb} {model} {data}{some} --out runs/{name}"
    same = told == _told(made(**usual).resolved())
    if kind == "hardening":
        command = f"python benchmarks/harden/ablation.py --model {model}"
        for setting, base in SETTINGS.items():
            if told == _told(made(model=model, base=base).resolved()):
                return f'{command} --setting "{setting}" --out runs/{name}'
        command += f" --out runs/{name}"
    return command if same else f"{command}, with the settings in runs/{name}/{CONFIG}"


def _changed_steering(plan: dict[str, Any], name: str) -> str:
    title = str(plan.get("name", ""))
    suffix = FAST if title.endswith(FAST) else ""
    if title.removesuffix(suffix) == "demo":
        return f"trimtab demo{suffix} --out runs/{name}"
    recipe = RECIPES / f"{title.removesuffix(suffix)}.yaml"
    if not recipe.is_file():
        return f"trimtab study, with the plan in runs/{name}/{CONFIG}"
    return f"trimtab study recipes/{recipe.name}{suffix} --out runs/{name}, with the settings in runs/{name}/{CONFIG}"


@cache
def _recipes() -> dict[str, Any]:
    """Plans of the recipes that are studies, by their paths in the repository."""
    files = [path for path in sorted(RECIPES.rglob("*.yaml")) if path.name != "harden.yaml"]  # read by harden.py alone
    return {str(path.relative_to(RECIPES.parent)): read_plan(path) for path in files}


def _told(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as a file keeps it."""
    return json.loads(json.dumps(plan))
