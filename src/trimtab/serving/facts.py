"""What a server knows of the model that it serves, without loading it a second time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from trimtab.errors import DataError
from trimtab.modalities import Modality
from trimtab.models import Model


@dataclass(frozen=True)
class ServedModel:
    """Identity and sizes of a model, which artifacts are checked against and clients are told.

    Attributes:
        name: What it was loaded by.
        fingerprint: See ``Model.fingerprint``.
        family_name: Its family.
        n_layers: Decoder blocks.
        n_heads: Query heads of a layer.
        head_dims: Width of a query head in each layer.
        hidden_size: Width of the residual stream.
        vocab_size: Tokens that logits are over.
        n_parameters: How many numbers it has.
        modalities: What prompts may show or say.
        stop_tokens: Ids that end an answer.
        precision: The number type that it is served in.
    """

    name: str
    fingerprint: str
    family_name: str
    n_layers: int
    n_heads: int
    head_dims: tuple[int, ...]
    hidden_size: int
    vocab_size: int
    n_parameters: int
    modalities: tuple[Modality, ...]
    stop_tokens: tuple[int, ...]
    precision: str

    @classmethod
    def of(cls, model: Model, precision: str | None = None) -> ServedModel:
        """Note down a loaded model, and the number type that it is served in if that is another than its own."""
        sizes = (model.n_layers, model.n_heads, tuple(model.head_dims), model.hidden_size, model.text_config.vocab_size)
        parameters = sum(p.numel() for p in model.hf.parameters())
        own = str(model.dtype).removeprefix("torch.")
        return cls(
            model.name,
            model.fingerprint,
            model.family.name,
            *sizes,
            parameters,
            model.modalities,
            tuple(sorted(model.stop_tokens)),
            precision or own,
        )

    def about(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return asdict(self)

    @classmethod
    def read(cls, held: Mapping[str, Any]) -> ServedModel:
        """Read what ``about`` returned, once it has been plain data; other fields are left aside.

        Raises:
            KeyError: A fact is missing.
            TypeError: One is not what it was.
        """
        own: dict[str, Any] = {field.name: held[field.name] for field in fields(cls)}
        for name in ("head_dims", "modalities", "stop_tokens"):
            own[name] = tuple(own[name])
        return cls(**own)

    def save(self, file: Path) -> Path:
        """Write the facts as JSON."""
        file.write_text(json.dumps(self.about(), indent=2) + "\n", encoding="utf-8")
        return file

    @classmethod
    def load(cls, file: Path) -> ServedModel:
        """Read what ``save`` wrote.

        Raises:
            DataError: The file is missing, broken, or another one.
        """
        try:
            return cls.read(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                f"`file` of a served model must be what `trimtab serve` wrote; {file} is not ({error!s:.200}); start "
                "the server with `trimtab serve`."
            ) from error
