"""What a steering method has learned: plain data that compiles to edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from trimtab.data import Item
from trimtab.data.prompts import Modality, prompt_for
from trimtab.engine import AddVector, Edit, Placement, Positions, Predictor, Prompt, Receipt, Row, applied
from trimtab.errors import ArtifactError, UsageError
from trimtab.models import Model
from trimtab.steering.saving import save_artifact

PLACEMENTS: tuple[Placement, ...] = ("before_question", "after_question")


@dataclass(frozen=True, eq=False)
class Artifact:
    """A fitted steering method.

    Attributes:
        method: Name of the method.
        target: The modality to follow.
        model_name: The model it was fitted on.
        model_fingerprint: That model's fingerprint.
        strength: Used where none is given; the one tuning chose, or 1.
        layer: Decoder block, 0-based, whose output is changed; None if the method edits nothing.
        positions: Where the vector is added; see ``AddVector``.
        direction: The vector, ``(hidden,)``, or the network that predicts it; None if the method edits nothing.
        instruction: Put into the prompt; None for methods that edit instead.
        placement: Where the instruction stands.
        data_fingerprint: Digest of the training items; empty if the method needs none.
        options: The method's options.
        metrics: What fitting and tuning measured.
    """

    method: str
    target: Modality
    model_name: str
    model_fingerprint: str
    strength: float = 1.0
    layer: int | None = None
    positions: Positions = "from_last_prompt"
    direction: Tensor | Predictor | None = None
    instruction: str | None = None
    placement: Placement = "before_question"
    data_fingerprint: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def edits(self, strength: float | None = None) -> tuple[Edit, ...]:
        """Return the edits at a strength, or at the artifact's own; none at 0, which is the unsteered model."""
        strength = self.strength if strength is None else strength
        if self.direction is None or self.layer is None or strength == 0:
            return ()
        return (AddVector(self.layer, self.direction, strength, self.positions),)

    def row(self, prompt: Prompt, strength: float | None = None) -> Row:
        """Return the steered row of a prompt; the method's instruction, if it has one, is put in.

        An instruction has no strength: any but 0 gives it in full.
        """
        strength = self.strength if strength is None else strength
        if self.instruction is not None and strength != 0:
            prompt = prompt.with_instruction(self.instruction, self.placement)
        return Row(prompt, self.edits(strength))

    def rows(self, model: Model, items: Sequence[Item], strength: float | None = None) -> list[Row]:
        """Return the steered row of each item, for ``run`` and ``generate``.

        Raises:
            ArtifactError: The artifact was fitted on another model.
            DataError: A picture cannot be read.
        """
        self.check(model)
        return [self.row(prompt_for(item), strength) for item in items]

    @contextmanager
    def applied(self, model: Model, strength: float | None = None) -> Iterator[Receipt]:
        """Steer everything the model runs inside the block, ``model.hf.generate(...)`` too.

        Yields:
            The receipt, filled while the block runs.

        Raises:
            ArtifactError: The artifact was fitted on another model.
            UsageError: The method works by its prompt, not by edits.
            NothingEditedError: The block ended without an error, yet nothing was steered.
        """
        self.check(model)
        if self.instruction is not None:
            raise UsageError(
                f"`method` of an artifact must be one that edits the model to be applied; got {self.method!r}, which "
                "changes the prompt; use rows(model, items) or row(prompt) instead."
            )
        with applied(model, self.edits(strength)) as receipt:
            yield receipt

    def with_strength(self, strength: float) -> Artifact:
        """Return the artifact with another strength of its own."""
        return replace(self, strength=strength)

    def check(self, model: Model) -> None:
        """Refuse another model.

        Raises:
            ArtifactError: The fingerprints differ.
        """
        if model.fingerprint != self.model_fingerprint:
            raise ArtifactError(
                f"`model` of artifact {self.method!r} must be the one it was fitted on, {self.model_name} (fingerprint "
                f"{self.model_fingerprint}); got {model.name} (fingerprint {model.fingerprint}); load that model, or "
                "fit the method on this one."
            )

    def save(self, folder: str | Path) -> Path:
        """Write ``config.json``, ``weights.safetensors`` and a model card; all of them or nothing.

        An artifact already in the folder is replaced.

        Returns:
            The folder.

        Raises:
            UsageError: The folder holds something else.
            RunFolderError: The disk refuses, for example because it is full.
        """
        return save_artifact(self, Path(folder))
