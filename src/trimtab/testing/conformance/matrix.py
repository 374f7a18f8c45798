"""Families by jobs: what came of each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from trimtab.errors import UsageError
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.testing.conformance import jobs as _jobs  # noqa: F401  (importing them registers them)
from trimtab.testing.conformance.outcomes import JOBS, Outcome, try_job
from trimtab.testing.conformance.subject import Maker, Subject
from trimtab.testing.tiny import BUILDERS, tiny_model

Matrix = Mapping[str, Mapping[str, Outcome]]
"""Outcomes by family and job."""


def try_model(
    model: Model,
    jobs: Iterable[str] | None = None,
    makers: Mapping[Modality, Maker] | None = None,
) -> dict[str, Outcome]:
    """Try the jobs of the conformance suite on a model.

    Args:
        model: A small model of any family: some hundred forward passes are made, and gradients taken.
        jobs: Names of jobs, as in ``JOBS``; left out, all of them.
        makers: How media are made, by modality; see ``Subject``.

    Returns:
        What came of each job, by its name.

    Raises:
        UsageError: There is no such job.
    """
    subject = Subject(model, makers)
    return {name: try_job(JOBS.named(name), subject) for name in (JOBS if jobs is None else jobs)}


def try_families(families: Iterable[str] | None = None) -> Iterator[tuple[str, dict[str, Outcome]]]:
    """Try the jobs on the tiny model of each family, and yield it with what came of them.

    Args:
        families: Names of families that there is a tiny model of; left out, all of them.

    Raises:
        UsageError: There is no tiny model of one.
        UnsupportedModelError: One fails its self-check.
    """
    for family in sorted(BUILDERS) if families is None else families:
        yield family, try_model(tiny_model(family))


def run_file(path: Path) -> None:
    """Run a Python file, so that what it registers is known: a family, a builder of its tiny model.

    Raises:
        UsageError: There is no such file.
    """
    spec = spec_from_file_location(path.stem, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise UsageError(f"`file` must be a Python file that registers a family; got {path}; give its path.")
    sys.modules[path.stem] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
