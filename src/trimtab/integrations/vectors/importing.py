"""From a file of another tool to an artifact."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from trimtab.artifact_checks import check_tensors
from trimtab.engine import Positions
from trimtab.errors import ArtifactError, UsageError
from trimtab.integrations.vectors.format import FORMATS, UNSAID, Format, Found
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.steering import Artifact, given_vectors


def import_vectors(
    path: str | Path,
    model: Model,
    target: Modality,
    *,
    format: str | None = None,
    layers: Collection[int] | None = None,
    positions: Positions | None = None,
    strength: float = 1.0,
) -> Artifact:
    """Read vectors of another tool as an artifact for a model; nothing that a file holds is ever run.

    What the file does not say stands in ``artifact.metrics["import"]["unsaid"]`` and on the model card.

    Args:
        path: The file or folder.
        model: The model that they are for.
        target: The modality that they are to make the model follow, which no such file says.
        format: A key of ``FORMATS``; left out, found by what is there.
        layers: Take only these, counted from 0; needed where a file has one for each layer to choose from (hotwire).
        positions: Where to add them; left out, where the tool does unless told otherwise: at every token.
        strength: The artifact's own.

    Raises:
        ArtifactError: The file is broken, is of no known format, or does not fit the model.
        UsageError: The format, the layers or the positions cannot be.
        MissingDependencyError: A package is needed that is not installed.
    """
    path = Path(path)
    chosen = _format(path) if format is None else FORMATS.named(format)
    found = chosen.read(path)
    vectors = _chosen(path, chosen, found, None if layers is None else set(layers))
    check_tensors(str(path), {f"layer {layer}": vector for layer, vector in vectors.items()})
    for layer, vector in vectors.items():
        if tuple(vector.shape) != (model.hidden_size,) or layer >= model.n_layers:
            said = f", and says it was made for {found.made_for!r}" if found.made_for else ""
            raise ArtifactError(
                f"`path` of import_vectors must hold vectors of {model.hidden_size} numbers for layers 0 to "
                f"{model.n_layers - 1} of {model.name}; {path} has {tuple(vector.shape)} for layer {layer}{said}; give "
                "the model that they were made on."
            )
    told = {"format": chosen.name, "file": path.name, "made_for": found.made_for, "notes": list(found.notes)}
    told["unsaid"] = [*chosen.unsaid, *UNSAID]
    return given_vectors(
        model,
        {layer: vector.float() for layer, vector in vectors.items()},
        target,
        positions=chosen.says[0] if positions is None else positions,
        strength=strength,
        label=path.stem,
        metrics={"import": told},
    )


def _format(path: Path) -> Format:
    """Find the format of a file.

    Raises:
        ArtifactError: There is none.
    """
    if not path.exists():
        raise ArtifactError(f"`path` of import_vectors must be a file or folder; there is no {path}; check the path.")
    for one in FORMATS.values():
        if one.recognises(path):
            return one
    known = "; ".join(f"{one.name}: {one.looks}" for one in FORMATS.values())
    raise ArtifactError(f"`path` of import_vectors must be of a known format ({known}); {path} is of none.")


def _chosen(path: Path, chosen: Format, found: Found, layers: set[int] | None) -> dict[int, Tensor]:
    """Return the vectors that are wanted, by layer.

    Raises:
        UsageError: Layers must be chosen, or some that are wanted are not there.
    """
    if found.anywhere is not None:
        if layers is None or len(layers) != 1:
            raise UsageError(
                f"`layers` of import_vectors must be one layer for {path}, a vector that says none; got "
                f"{sorted(layers or ())}."
            )
        return {next(iter(layers)): found.anywhere}
    there = found.by_layer
    if chosen.names_a_layer and layers is None and len(there) != 1:
        raise UsageError(
            f"`layers` of import_vectors must be given for {path}, which has a vector for each of {len(there)} layers "
            "to choose from; name those to add at."
        )
    if layers is not None and (not layers or layers - there.keys()):
        raise UsageError(
            f"`layers` of import_vectors must be some of {', '.join(map(str, sorted(there)))}, which {path} has; got "
            f"{sorted(layers)}."
        )
    return {layer: vector for layer, vector in there.items() if layers is None or layer in layers}
