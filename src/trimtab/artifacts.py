"""``load_artifact``: one door to everything that was fitted for a model, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from trimtab.artifact_checks import check_model
from trimtab.artifact_folder import read_config
from trimtab.artifact_kinds import KINDS, ArtifactKind
from trimtab.circuits import HeadSet
from trimtab.errors import ArtifactError
from trimtab.interference.hardening.files import RECORD, read_json
from trimtab.models import Model, load
from trimtab.steering import Artifact

ADAPTERS = "adapter_config.json"


def load_artifact(folder: str | Path, model: Model) -> Artifact | HeadSet | Model:
    """Load what was fitted for a model: a steering artifact, a head set, or adapters.

    Args:
        folder: The folder that ``save`` or ``harden`` wrote.
        model: The model that it was made for; it is left as it is.

    Returns:
        An ``Artifact`` or a ``HeadSet``, as they were saved; of adapters, the model with them merged, in the type of
        ``model`` and on its device.

    Raises:
        ArtifactError: A file is missing or broken, the kind, schema or method is unknown, or it was made for another
            model; the message says what differs.
    """
    folder = Path(folder)
    for kind in KINDS.values():
        if kind.holds(folder):
            return kind.load(folder, model)
    method = read_config(folder).get("method")
    raise ArtifactError(
        f"`method` of artifact {folder} must be of a known kind ({', '.join(KINDS)}); got {method!r:.100}; use a "
        "version of trimtab that knows it."
    )


def _merged(folder: Path, model: Model) -> Model:
    """Load adapters with the model they name; those that ``harden`` made know its fingerprint."""
    record = read_json(folder / RECORD)
    if isinstance(record, dict) and "model" in record:
        check_model(folder.name, (str(record.get("name")), record["model"]), model)
    return load(folder, dtype=str(model.dtype).removeprefix("torch."), device=str(model.device))


KINDS.register(ArtifactKind("adapters", lambda folder: (folder / ADAPTERS).is_file(), _merged))
