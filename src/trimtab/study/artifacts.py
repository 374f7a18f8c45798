"""Artifacts of every kind that a study evaluates: steering methods and head sets."""

from __future__ import annotations

from pathlib import Path

from trimtab.artifact_folder import read_config
from trimtab.circuits import HeadSet, load_head_set
from trimtab.circuits.head_set import METHOD, SCHEMA_VERSION
from trimtab.models import Model
from trimtab.steering import Artifact, load_artifact

AnyArtifact = Artifact | HeadSet
"""What ``evaluate`` takes: it asks (``asks``) and has a target and a strength of its own."""


def load_any_artifact(folder: str | Path, model: Model) -> AnyArtifact:
    """Load a steering artifact or a head set, whichever the folder holds.

    Raises:
        ArtifactError: A file is missing or broken, or the artifact was made for another model.
    """
    config = read_config(Path(folder), SCHEMA_VERSION, {"method": (str,)})
    return load_head_set(folder, model) if config["method"] == METHOD else load_artifact(folder, model)
