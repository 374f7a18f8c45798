"""A set of heads as an artifact: chosen once, saved, loaded, and applied like any steering method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from trimtab.artifact_checks import check_choices, check_model, check_strength
from trimtab.artifact_folder import method_of, read_artifact, write_artifact
from trimtab.artifact_kinds import KINDS, ArtifactKind
from trimtab.circuits.heads import Head
from trimtab.engine import (
    Capability,
    Edit,
    Identified,
    ModelOrEngine,
    Placement,
    Places,
    Prompt,
    Receipt,
    ReplaceHeads,
    Row,
    ScaleHeads,
    applied,
    require,
)
from trimtab.errors import ArtifactError, UsageError
from trimtab.items import Item, is_remembered
from trimtab.items.prompts import instruction_for, prompt_for
from trimtab.modalities import MODALITIES, PAIR, Modality

METHOD = "heads"
Reference = Literal["zero", "mean"]
REFERENCES: tuple[Reference, ...] = ("zero", "mean")
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)

INSTRUCTION_TOKENS: Places = ("instruction", "question")
READOUT: Places = ("last", "generated")

SCOPES: dict[str, Places] = {"last": READOUT, "instruction+last": INSTRUCTION_TOKENS + READOUT, "all": ("all",)}
"""Where heads are blocked or amplified: the readout, the paper's instruction tokens and the readout, or everywhere."""

_TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "target": (str,),
    "heads": (list,),
    "scope": (str,),
    "reference": (str,),
    "strength": (int, float),
    "instruction": (str, type(None)),
    "placement": (str,),
    "model_name": (str,),
    "model_fingerprint": (str,),
    "data_fingerprint": (str,),
    "label": (str,),
    "fitted_items": (str,),
    "metrics": (dict,),
}


@dataclass(frozen=True, eq=False, repr=False)
class HeadSet:
    """Heads and how strongly they are changed.

    It has what any steering artifact has (``asks``, ``row``, ``rows``, ``edits``, ``applied``, ``save``), so
    ``trimtab.evaluate`` takes it beside AMPS. To combine both, evaluate one inside ``with other.applied(model)``.

    Attributes:
        target: The modality to follow.
        heads: Layers and query heads, 0-based.
        model_name: The model they were chosen on.
        model_fingerprint: That model's fingerprint.
        strength: How far each output is moved away from the reference: 0 is exactly the unedited model, -1 puts the
            reference in its place (blocking), 1 doubles it (amplifying by 2).
        scope: A key of ``SCOPES``.
        reference: ``zero``, or ``mean``: the heads' mean outputs, which leaves the model nearer to what it knows; the
            mean can only be put in place (strength -1) or left (0).
        values: The mean outputs at each of the scope's ``parts_of``, ``(parts, len(heads), head_dim)``; None with
            ``zero``.
        instruction: Put into the prompt, since the heads follow one; None leaves prompts as they are.
        placement: Where the instruction stands.
        data_fingerprint: Digest of the items they were chosen on.
        label: Name in tables, where several sets stand there; empty for ``heads``.
        fitted_items: What is remembered of each of these items; see ``fitted_on``.
        metrics: How they were chosen, and what was measured.
    """

    target: Modality
    heads: tuple[Head, ...]
    model_name: str
    model_fingerprint: str
    strength: float = 1.0
    scope: str = "instruction+last"
    reference: Reference = "zero"
    values: Tensor | None = None
    instruction: str | None = None
    placement: Placement = "before_question"
    data_fingerprint: str = ""
    label: str = ""
    fitted_items: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    method = METHOD

    def __post_init__(self) -> None:
        check_strength(self.strength, "HeadSet")
        if self.target not in MODALITIES:
            raise UsageError(f"`target` of HeadSet must be one of {', '.join(MODALITIES)}; got {self.target!r}.")
        if not self.heads or len(set(self.heads)) != len(self.heads):
            raise UsageError(f"`heads` of HeadSet must be one or more different heads; got {self.heads}.")
        if self.scope not in SCOPES:
            raise UsageError(f"`scope` of HeadSet must be one of {', '.join(SCOPES)}; got {self.scope!r}.")
        parts = 0 if self.values is None else len(self.values)
        if self.reference not in REFERENCES or parts != (len(parts_of(self.scope)) if self.reference == "mean" else 0):
            raise UsageError(
                "`values` of HeadSet must be given with the reference 'mean', one block for each of the "
                f"{len(parts_of(self.scope))} parts of its scope, and only then; got the reference {self.reference!r} "
                f"and {parts} blocks; see parts_of and mean_outputs."
            )

    def __repr__(self) -> str:
        """Say what it is in one line; values by their size."""
        mean = "" if self.values is None else f", means {tuple(self.values.shape)}"
        return (
            f"HeadSet({len(self.heads)} heads toward the {self.target}, on {self.model_name}, strength "
            f"{self.strength:g} at {self.scope!r}{mean})"
        )

    @classmethod
    def of(cls, model: ModelOrEngine, target: Modality, heads: Sequence[Head], **options: Any) -> HeadSet:
        """Make a set for a model; the instruction is MC2's for the target unless another one is given."""
        options.setdefault("instruction", instruction_for(target, PAIR))
        return cls(target, tuple(heads), model.name, model.fingerprint, **options)

    @property
    def name(self) -> str:
        """The label, or else what it is: ``heads``."""
        return self.label or METHOD

    @property
    def has_strength(self) -> bool:
        """Whether another strength gives other answers."""
        return self.reference == "zero"

    def edits(self, strength: float | None = None) -> tuple[Edit, ...]:
        """Return the edits at a strength, or at the set's own; none at 0, which is the unedited model."""
        strength = self.strength if strength is None else strength
        check_strength(strength, "HeadSet")
        if strength == 0:
            return ()
        if self.reference == "mean" and strength != -1:
            raise UsageError(
                f"`strength` of a HeadSet with the reference 'mean' must be -1 or 0; got {strength}; amplify with the "
                "reference 'zero'."
            )
        layers = sorted({layer for layer, _ in self.heads})
        return tuple(edit for layer in layers for edit in self._edits_of(layer, strength))

    def _edits_of(self, layer: int, strength: float) -> list[Edit]:
        places = [place for place, (own, _) in enumerate(self.heads) if own == layer]
        heads = tuple(self.heads[place][1] for place in places)
        if self.values is None:
            return [ScaleHeads(layer, heads, SCOPES[self.scope], 1.0 + strength)]
        parts = zip(parts_of(self.scope), self.values, strict=True)
        return [ReplaceHeads(layer, heads, at, values[places]) for at, values in parts]

    def row(self, prompt: Prompt, strength: float | None = None) -> Row:
        """Return the row of a prompt, with the instruction put in; strength 0 is the plain prompt."""
        strength = self.strength if strength is None else strength
        return Row(prompt if strength == 0 else self.asked(prompt), self.edits(strength))

    def asked(self, prompt: Prompt) -> Prompt:
        """Return the prompt with the instruction put in; the same object if there is none."""
        return prompt if self.instruction is None else prompt.with_instruction(self.instruction, self.placement)

    def asks(self, model: ModelOrEngine, prompts: Sequence[Prompt], strength: float | None = None) -> list[Row]:
        """Return the row of each prompt.

        Raises:
            ArtifactError: The heads were chosen on another model.
        """
        self.check(model)
        return [self.row(prompt, strength) for prompt in prompts]

    def rows(self, model: ModelOrEngine, items: Sequence[Item], strength: float | None = None) -> list[Row]:
        """Return the row of each item, for ``run`` and ``generate``."""
        return self.asks(model, [prompt_for(item) for item in items], strength)

    @contextmanager
    def applied(self, model: ModelOrEngine, strength: float | None = None) -> Iterator[Receipt]:
        """Edit the heads in everything the model runs inside the block; prompts are left as they are.

        Raises:
            ArtifactError: The heads were chosen on another model.
            NothingEditedError: The block ended without an error, yet nothing was edited.
        """
        self.check(model)
        with applied(model, self.edits(strength)) as receipt:
            yield receipt

    def fitted_on(self, item: Item) -> bool:
        """Whether an item is one that the heads were chosen on."""
        return is_remembered(item, self.fitted_items)

    def with_strength(self, strength: float) -> HeadSet:
        """Return the set with another strength of its own."""
        return replace(self, strength=strength)

    def check(self, model: ModelOrEngine) -> None:
        """Refuse another model, and an engine that cannot edit heads.

        Raises:
            ArtifactError: The fingerprints differ.
            UnsupportedEngineError: The engine lacks the capability.
        """
        require(model, Capability.EDIT_HEADS, owner=METHOD)
        check_model(METHOD, (self.model_name, self.model_fingerprint), (model.name, model.fingerprint))

    def save(self, folder: str | Path) -> Path:
        """Write ``config.json``, ``weights.safetensors`` and a model card; all of them or nothing.

        Raises:
            UsageError: The folder holds something else.
            RunFolderError: The disk refuses.
        """
        config: dict[str, Any] = {name: getattr(self, name) for name in _TYPES}
        config["heads"] = [list(head) for head in self.heads]
        tensors = {} if self.values is None else {"values": self.values.contiguous()}
        return write_artifact(Path(folder), config, tensors, lambda: _card(self))


def parts_of(scope: str) -> tuple[Places, ...]:
    """Return the parts of a scope that have a mean output of their own.

    What a head puts out at an instruction's words is not what it puts out at the readout.
    """
    parts = tuple(part for part in (INSTRUCTION_TOKENS, READOUT) if set(part) <= set(SCOPES[scope]))
    return parts or (SCOPES[scope],)


def load_heads(folder: str | Path, model: ModelOrEngine | Identified) -> HeadSet:
    """Load a head set for the model it was chosen on; ``trimtab.load_artifact`` takes artifacts of all kinds.

    Raises:
        ArtifactError: A file is missing or broken, the schema is unknown, or the model is another one.
    """
    folder = Path(folder)
    config, tensors = read_artifact(folder, _TYPES, {"label": "", "fitted_items": ""})
    check_choices(
        folder,
        config,
        {
            "method": (METHOD,),
            "target": MODALITIES,
            "scope": tuple(SCOPES),
            "reference": REFERENCES,
            "placement": PLACEMENTS,
        },
    )
    check_model(METHOD, (config["model_name"], config["model_fingerprint"]), (model.name, model.fingerprint))
    heads = _heads(folder, config["heads"], model)
    values, mean = tensors.pop("values", None), config["reference"] == "mean"
    expected = (len(parts_of(config["scope"])), len(heads), model.head_dims[0]) if mean else None
    found = None if values is None else tuple(values.shape)
    if tensors or found != expected:
        raise ArtifactError(
            f"`weights.safetensors` of artifact {folder} must hold values of shape {expected} and nothing else for "
            f"{len(heads)} heads with the reference {config['reference']!r}; got "
            f"{found} and {', '.join(tensors) or 'nothing else'}; save the artifact again."
        )
    options = {name: config[name] for name in _TYPES if name not in ("method", "heads")}
    try:
        return HeadSet(heads=heads, values=values, **options)
    except UsageError as error:
        raise ArtifactError(f"artifact {folder} must be as save wrote it: {error}") from error


def _heads(folder: Path, found: list[Any], model: ModelOrEngine | Identified) -> tuple[Head, ...]:
    """Return heads that the model has."""
    sizes = (model.n_layers, model.n_heads)
    for head in found:
        known = isinstance(head, list) and len(head) == 2 and all(type(number) is int for number in head)
        if not known or not all(0 <= number < size for number, size in zip(head, sizes, strict=True)):
            raise ArtifactError(
                f"`heads` of artifact {folder} must be pairs of a layer in 0..{sizes[0] - 1} and a head in "
                f"0..{sizes[1] - 1} for {model.name}; got {head!r:.100}; save the artifact again."
            )
    return tuple((layer, head) for layer, head in found)


def _card(head_set: HeadSet) -> str:
    named = ", ".join(f"layer {layer} head {head}" for layer, head in head_set.heads)
    return f"""---
library_name: trimtab
tags: [interpretability, multimodal, attention-heads]
---
# Heads that follow the {head_set.target}

Attention heads of **{head_set.model_name}** (fingerprint `{head_set.model_fingerprint}`), chosen by trimtab; they fit
no other model. Strength {head_set.strength:g} at `{head_set.scope}`, reference {head_set.reference}: at 0 the model is
as it is, at -1 the heads are blocked, at 1 their outputs are doubled.

Heads: {named}.

```python
import trimtab as tt

model = tt.load("{head_set.model_name}")
heads = tt.load_artifact("path/to/this/folder", model)
answers = tt.generate(model, heads.rows(model, items))
```
"""


KINDS.register(ArtifactKind(METHOD, lambda folder: method_of(folder) == METHOD, load_heads))
