"""Artifacts of every kind that a study evaluates: steering methods and head sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trimtab.artifacts import load_artifact
from trimtab.circuits import HeadSet
from trimtab.engine import ModelOrEngine
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.steering import Artifact

AnyArtifact = Artifact | HeadSet
"""What ``evaluate`` takes: it asks (``asks``) and has a target and a strength of its own."""


def load_any_artifact(folder: str | Path, model: ModelOrEngine) -> AnyArtifact:
    """Load what ``evaluate`` takes: a steering artifact or a head set.

    Raises:
        ArtifactError: A file is missing or broken, or the artifact was made for another model.
        UsageError: The folder holds adapters.
    """
    artifact = load_artifact(folder, model)
    if isinstance(artifact, Model):
        raise UsageError(f"`artifact` must be a steering artifact or a head set; {folder} holds adapters; load them.")
    return artifact


def load_artifacts(
    folders: Sequence[str | Path], model: ModelOrEngine, labels: Sequence[str] = ()
) -> list[AnyArtifact]:
    """Load artifacts so that each has a name of its own in tables.

    Those that share name and target, say two of one method, are named after their folders.

    Args:
        folders: The artifacts.
        model: The model they were made for.
        labels: A name for each, in their order; none, to name them by themselves.

    Raises:
        ArtifactError: One is broken, or was made for another model.
        UsageError: There is not a label for each, or two of one target have the same.
    """
    if labels and len(labels) != len(folders):
        raise UsageError(
            f"`labels` must be one for each artifact, in their order; got {len(labels)} for {len(folders)} artifacts; "
            "give as many, or none."
        )
    loaded = [load_any_artifact(folder, model) for folder in folders]
    if not labels:
        names = Counter((a.name, a.target) for a in loaded)
        own = _short_names([Path(folder).absolute() for folder in folders])
        labels = [own[k] if names[a.name, a.target] > 1 else a.name for k, a in enumerate(loaded)]
    if any(not label.strip() or not label.isprintable() for label in labels):
        raise UsageError(f"`labels` must be words that can be printed; got {list(labels)!r:.200}.")
    named = [a if label == a.name else replace(a, label=label) for a, label in zip(loaded, labels, strict=True)]
    twice = [key for key, count in Counter((a.name, a.target) for a in named).items() if count > 1]
    if twice:
        raise UsageError(
            f"`labels` must differ for artifacts of one target; got {twice[0][0]!r} toward the {twice[0][1]} twice; "
            "give each another."
        )
    return named


def _short_names(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of each path, as many as tell all of them apart."""
    for parts in range(1, max((len(folder.parts) for folder in folders), default=1)):
        names = ["/".join(folder.parts[-parts:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            return names
    return [str(folder) for folder in folders]
