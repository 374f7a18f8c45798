"""``load_artifact``: one door to everything that was fitted for a model, whatever its kind."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, overload

from trimtab.artifact_checks import check_model
from trimtab.artifact_folder import read_config
from trimtab.artifact_kinds import KINDS, ArtifactKind
from trimtab.circuits import HeadSet
from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import opened
from trimtab.errors import ArtifactError
from trimtab.interference.hardening.files import RECORD, read_json
from trimtab.models import Model, load
from trimtab.steering import Artifact

ADAPTERS = "adapter_config.json"

Kind = TypeVar("Kind", Artifact, HeadSet, Model)


@overload
def load_artifact(folder: str | Path, model: ModelOrEngine) -> Artifact | HeadSet | Model: ...
@overload
def load_artifact(folder: str | Path, model: ModelOrEngine, kind: type[Kind]) -> Kind: ...
def load_artifact(folder: str | Path, model: ModelOrEngine, kind: type | None = None) -> Artifact | HeadSet | Model:
    """Load what was fitted for a model: a steering artifact, a head set, or adapters.

    Args:
        folder: The folder that ``save`` or ``harden`` wrote.
        model: The model that it was made for; it is left as it is.
        kind: ``Artifact``, ``HeadSet`` or ``Model``, where only that is wanted; left out, whatever the folder holds.

    Returns:
        An ``Artifact`` or a ``HeadSet``, as they were saved; of adapters, the model with them merged, in the type of
        ``model`` and on its device.

    Raises:
        ArtifactError: A file is missing or broken, the kind, schema or method is unknown or another than ``kind``, or
            it was made for another model; the message says what differs.
    """
    folder = Path(folder)
    for known in KINDS.values():
        if known.holds(folder):
            found = known.load(folder, model)
            if kind is not None and not isinstance(found, kind):
                raise ArtifactError(
                    f"`folder` must hold {_a(kind)}; {folder} holds {_a(type(found))}; leave `kind` out to "
                    "take what is there."
                )
            return found
    method = read_config(folder).get("method")
    raise ArtifactError(
        f"`method` of artifact {folder} must be of a known kind ({', '.join(KINDS)}); got {method!r:.100}; use a "
        "version of trimtab that knows it."
    )


def _merged(folder: Path, model: ModelOrEngine) -> Model:
    """Load adapters with the model they name; those that ``harden`` made know its fingerprint."""
    own = opened(model, Capability.WEIGHTS, owner="load_artifact of adapters")
    record = read_json(folder / RECORD)
    if record is not None and "model" in record:
        check_model(folder.name, (str(record.get("name")), record["model"]), (own.name, own.fingerprint))
    return load(folder, dtype=str(own.dtype).removeprefix("torch."), device=str(own.device))


def _a(kind: type) -> str:
    return f"an {kind.__name__}" if kind is Artifact else f"a {kind.__name__}"


KINDS.register(ArtifactKind("adapters", lambda folder: (folder / ADAPTERS).is_file(), _merged))
