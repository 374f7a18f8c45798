"""Directions of repsteer 0.2.4: a folder of ``manifest.json``, ``tensors.safetensors`` and ``checksums.json``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from trimtab.errors import ArtifactError
from trimtab.integrations.vectors.format import FORMATS, Format, Found

MANIFEST, TENSORS, CHECKSUMS = "manifest.json", "tensors.safetensors", "checksums.json"
SITE = {"stream": "language", "component": "resid_post", "io": "output", "unit": None}
"""The output of a decoder block, whole."""


class Repsteer(Format):
    """A direction of repsteer; its probes, subspaces and heads have no counterpart here."""

    name = "repsteer"
    title = "repsteer: `direction` bundle"
    looks = "a folder with `manifest.json` and `tensors.safetensors`"
    writes = False
    unsaid = ("strength and positions: an `Intervention` is told them",)

    def recognises(self, path: Path) -> bool:
        """By its manifest."""
        return (path / MANIFEST).is_file()

    def read(self, path: Path) -> Found:
        """Read the bundle, once its digests hold."""
        files = {name: _read(path / name) for name in (MANIFEST, TENSORS, CHECKSUMS)}
        said = _json(path / CHECKSUMS, files[CHECKSUMS]).get("files")
        for name in (MANIFEST, TENSORS):
            digest = hashlib.sha256(files[name]).hexdigest()
            if not isinstance(said, dict) or str(said.get(name, "")).removeprefix("sha256:") != digest:
                raise ArtifactError(
                    f"`{name}` of {path} must be the file that {CHECKSUMS} has the digest of; it is another; save the "
                    "bundle again."
                )
        manifest = _json(path / MANIFEST, files[MANIFEST])
        layer = _layer(path, manifest)
        try:
            tensors = load(files[TENSORS])
        except (SafetensorError, ValueError) as error:
            raise ArtifactError(f"`{TENSORS}` of {path} must be sound; it is not ({error}); save it again.") from error
        if "direction" not in tensors:
            raise ArtifactError(
                f"`{TENSORS}` of {path} must hold 'direction'; it holds {sorted(tensors)}; save it again."
            )
        model = manifest.get("model")
        notes = [f"repsteer's method {manifest.get('method')!r}"]
        notes += [f"normalised: {manifest['normalization']}"] if manifest.get("normalization") else []
        return Found(
            {layer: tensors["direction"]}, str(model.get("id", "")) if isinstance(model, dict) else "", tuple(notes)
        )


def _layer(path: Path, manifest: dict[str, Any]) -> int:
    """Return the layer of a direction after a decoder block; refuse anything else.

    Raises:
        ArtifactError: With what it is.
    """
    kind, site = manifest.get("artifact_type"), manifest.get("site")
    if kind != "direction" or not isinstance(site, dict):
        raise ArtifactError(
            f"`artifact_type` of {path} must be 'direction' with a site, since only vectors can be added; got "
            f"{kind!r}; export a direction."
        )
    layer, other = site.get("layer"), {k: site.get(k, v) for k, v in SITE.items() if site.get(k, v) != v}
    if other or site.get("tensor_path") or type(layer) is not int or layer < 0:
        raise ArtifactError(
            f"`site` of {path} must be language.resid_post of a layer, the output of a decoder block; got {site}; "
            "learn the direction there."
        )
    return layer


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"`path` of import_vectors must be a whole bundle; {path} cannot be read ({error.strerror}); save it again."
        ) from error


def _json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"`{path.name}` of {path.parent} must be JSON; it is not ({error}); save it again."
        ) from error
    if not isinstance(found, dict):
        raise ArtifactError(
            f"`{path.name}` of {path.parent} must be an object; got {type(found).__name__}; save it again."
        )
    return found


FORMATS.register(Repsteer())
