"""What a steering method has learned: plain data that compiles to prompts and edits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from trimtab.artifact_checks import check_model, check_strength
from trimtab.engine import (
    AddVector,
    Capability,
    Edit,
    ModelOrEngine,
    Placement,
    Positions,
    Predictor,
    Prompt,
    Receipt,
    Row,
    applied,
    require,
)
from trimtab.errors import UsageError
from trimtab.items import Item, is_remembered
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.steering.asks import Ask
from trimtab.steering.chooser import Chooser, FixedChooser
from trimtab.steering.contrasting import Rule
from trimtab.steering.saving import save_artifact

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)


@dataclass(frozen=True, eq=False, repr=False)
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
        without: The modalities left out of the prompt; none for methods that keep all.
        contrast: What the prompt is decoded against; None for methods that decode it alone.
        chooser: What decides how each item is asked; None for methods that treat all items alike.
        label: Name in tables, where one method stands there in several forms; empty for the method's own.
        data_fingerprint: Digest of the training items; empty if the method needs none.
        fitted_items: What is remembered of each item that was learned from or chosen by; see ``fitted_on``.
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
    without: tuple[Modality, ...] = ()
    contrast: Rule | None = None
    chooser: Chooser | None = None
    label: str = ""
    data_fingerprint: str = ""
    fitted_items: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_strength(self.strength, f"artifact {self.name!r}")

    def __repr__(self) -> str:
        """Say what it is in one line; tensors by their sizes."""
        where = "" if self.layer is None else f", layer {self.layer}"
        what = "" if self.direction is None else f", {_form(self.direction)}"
        how = "" if self.chooser is None else f", chosen by {self.chooser.kind}"
        return (
            f"Artifact({self.name!r} toward the {self.target}, on {self.model_name}{where}, strength "
            f"{self.strength:g}{what}{how})"
        )

    @property
    def name(self) -> str:
        """The label, or else the method's name."""
        return self.label or self.method

    @property
    def has_strength(self) -> bool:
        """Whether another strength gives other answers: not so for prompts, nor for what sets its own strengths."""
        if self.chooser is not None and self.chooser.has_strength:
            return True
        return self.contrast is not None or (self.direction is not None and self.layer is not None)

    @property
    def is_fixed(self) -> bool:
        """Whether every item gets the same edits, so that they can be applied to a block of code."""
        chooses = self.chooser is not None and not isinstance(self.chooser, FixedChooser)
        return not (self.instruction or self.without or self.contrast or chooses)

    def edits(self, strength: float | None = None) -> tuple[Edit, ...]:
        """Return the edits at a strength, or at the artifact's own; none at 0, which is the unsteered model."""
        strength = self.strength if strength is None else strength
        check_strength(strength, f"artifact {self.name!r}")
        if strength != 0 and isinstance(self.chooser, FixedChooser):
            return self.chooser.fixed(strength)
        if self.direction is None or self.layer is None or strength == 0:
            return ()
        return (AddVector(self.layer, self.direction, strength, self.positions),)

    def asks(self, model: ModelOrEngine, prompts: Sequence[Prompt], strength: float | None = None) -> list[Ask]:
        """Return what to ask the engine for each prompt, for ``trimtab.generate``; any method has this.

        A method that chooses each item's strength runs the model here to choose. Strength 0 is the plain prompt,
        whatever the method. What works by the prompt alone has no strength: any but 0 gives it in full.

        Raises:
            ArtifactError: The artifact was fitted on another model.
        """
        self.check(model)
        strength = self.strength if strength is None else strength
        check_strength(strength, f"artifact {self.name!r}")
        if strength == 0:
            return [Row(prompt) for prompt in prompts]
        asked = [self.asked(prompt) for prompt in prompts]
        if self.contrast is not None:
            return [self.contrast.ask(prompt, strength) for prompt in asked]
        if self.chooser is not None:
            return list(self.chooser.asks(model, asked, self, strength))
        edits = self.edits(strength)
        return [Row(prompt, edits) for prompt in asked]

    def row(self, prompt: Prompt, strength: float | None = None) -> Row:
        """Return the steered row of a prompt; the method's instruction, if it has one, is put in.

        Raises:
            UsageError: The method runs the model to choose a strength, or answers by several rows.
        """
        if self.contrast is not None or not (self.chooser is None or isinstance(self.chooser, FixedChooser)):
            raise UsageError(
                f"`method` of an artifact must be one that gives a prompt one fixed row; got {self.method!r}, which "
                "looks at the model first; use asks(model, prompts)."
            )
        strength = self.strength if strength is None else strength
        return Row(prompt if strength == 0 else self.asked(prompt), self.edits(strength))

    def rows(self, model: ModelOrEngine, items: Sequence[Item], strength: float | None = None) -> list[Row]:
        """Return the steered row of each item, for ``run`` and ``generate``.

        Raises:
            ArtifactError: The artifact was fitted on another model.
            DataError: A picture cannot be read.
            UsageError: The method answers by several rows; use ``asks``.
        """
        rows = self.asks(model, [prompt_for(item) for item in items], strength)
        if not all(isinstance(row, Row) for row in rows):
            raise UsageError(
                f"`method` of an artifact must answer by one row to give rows; got {self.method!r}, which contrasts "
                "several; use trimtab.generate(model, artifact.asks(model, prompts))."
            )
        return [row for row in rows if isinstance(row, Row)]

    def asked(self, prompt: Prompt) -> Prompt:
        """Return the prompt as the method puts it; the same object if it leaves prompts as they are."""
        for modality in self.without:
            if modality in prompt.modalities:
                prompt = prompt.without(modality)
        if self.instruction is not None:
            prompt = prompt.with_instruction(self.instruction, self.placement)
        return prompt

    @contextmanager
    def applied(self, model: ModelOrEngine, strength: float | None = None) -> Iterator[Receipt]:
        """Steer everything the model runs inside the block, ``model.hf.generate(...)`` too.

        Yields:
            The receipt, filled while the block runs.

        Raises:
            ArtifactError: The artifact was fitted on another model.
            UsageError: The method does not give all items the same edits.
            NothingEditedError: The block ended without an error, yet nothing was steered.
        """
        self.check(model)
        if not self.is_fixed:
            raise UsageError(
                f"`method` of an artifact must give all items the same edits to be applied; got {self.method!r}, which "
                "changes the prompt or looks at each item; use rows(model, items) or asks(model, prompts) instead."
            )
        with applied(model, self.edits(strength)) as receipt:
            yield receipt

    def fitted_on(self, item: Item) -> bool:
        """Whether an item is one that was learned from, or by which layer or strength were chosen."""
        return is_remembered(item, self.fitted_items)

    def with_strength(self, strength: float) -> Artifact:
        """Return the artifact with another strength of its own."""
        return replace(self, strength=strength)

    @property
    def needs(self) -> frozenset[Capability]:
        """What an engine must be able to do to be steered, beside answering prompts."""
        parts = [part.needs for part in (self.chooser, self.contrast) if part is not None]
        return frozenset({Capability.ADD_VECTOR} if self.direction is not None else ()).union(*parts)

    def check(self, model: ModelOrEngine) -> None:
        """Refuse another model, and an engine that cannot be steered so.

        Raises:
            ArtifactError: The fingerprints differ.
            UnsupportedEngineError: The engine lacks a capability.
        """
        require(model, *self.needs, owner=f"artifact {self.name!r}")
        check_model(self.method, (self.model_name, self.model_fingerprint), (model.name, model.fingerprint))

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


def _form(direction: Tensor | Predictor) -> str:
    if isinstance(direction, Predictor):
        return f"a network {direction.w_in.shape[1]} x {direction.w_in.shape[0]} x {direction.w_out.shape[0]}"
    return f"a vector of {len(direction)}"
