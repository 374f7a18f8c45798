"""What a server knows of the model that it serves, without loading it a second time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from trimtab.errors import DataError
from trimtab.models import Model


@dataclass(frozen=True)
class ServedModel:
    """Identity and sizes of a model, which artifacts are checked against.

    Attributes:
        name: What it was loaded by.
        fingerprint: See ``Model.fingerprint``.
        family_name: Its family.
        n_layers: Decoder blocks.
        n_heads: Query heads of a layer.
        head_dims: Width of a query head in each layer.
        hidden_size: Width of the residual stream.
    """

    name: str
    fingerprint: str
    family_name: str
    n_layers: int
    n_heads: int
    head_dims: tuple[int, ...]
    hidden_size: int

    @classmethod
    def of(cls, model: Model) -> ServedModel:
        """Note down a loaded model."""
        sizes = (model.n_layers, model.n_heads, tuple(model.head_dims), model.hidden_size)
        return cls(model.name, model.fingerprint, model.family.name, *sizes)

    def save(self, file: Path) -> Path:
        """Write the facts as JSON."""
        file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        return file

    @classmethod
    def load(cls, file: Path) -> ServedModel:
        """Read what ``save`` wrote.

        Raises:
            DataError: The file is missing, broken, or another one.
        """
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            return cls(**{**held, "head_dims": tuple(held["head_dims"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"`file` of a served model must be what `trimtab serve` wrote; {file} is not ({error!s:.200}); start "
                "the server with `trimtab serve`."
            ) from error
