"""Learned trim."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from trimtab.engine import Capability, ModelOrEngine, Positions, Prompt, Read, Row, check_layer, run
from trimtab.engine.local.whitebox import opened
from trimtab.errors import UsageError
from trimtab.fields import Count
from trimtab.items import Item, items_fingerprint, remembered
from trimtab.items.admission import Admitted, admit_items
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.learned_trim.checkpoint import Checkpoint
from trimtab.steering.learned_trim.chooser import LearnedTrimChooser
from trimtab.steering.learned_trim.networks import Networks
from trimtab.steering.learned_trim.training import Course, TrainingConfig, train_networks
from trimtab.steering.lessons import Lesson, make_lessons
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import ITEMS, TrainingSet

MOST_STATES = 256
"""Prompts whose states say how large states are."""


@register
@dataclass(frozen=True)
class LearnedTrim(Method):
    """Networks that push the answer to the target in conflicts, and were taught to do nothing elsewhere.

    At each layer l a network reads the state of the last prompt token, edits of earlier layers included, and adds

        v_l = U_l tanh(W_l h_l + b_l) + c_l

    there and at the generated tokens. All of it happens in the one forward pass. The networks are trained end to end
    through the frozen model p on lessons (x, t), a question and the question whose plain answer is to be given to it:

        minimise the mean over lessons of  w  sum_i KL( p(. | t, y_<i)  ||  p_v(. | x, y_<i) ),

    with y the model's greedy answer to t, and w ``training.conflict_weight`` where the target is to be followed. In a
    conflict t is x with the target alone; where the target has nothing to say, agrees, or is needed together with
    another modality, t is x itself, and the networks learn to add nothing that matters. ``make_lessons`` makes both
    kinds of lessons of conflict items alone. Items with ``relevant`` are taken as they are.

    Attributes:
        target: The modality to follow.
        layers: Decoder blocks, 0-based, that get a network; none given, all.
        width: Hidden units of each network. Few keep it from learning the items by heart.
        positions: Where vectors are added; not before the last prompt token.
        training: How the networks are trained.
        checkpoint: File that is written after each epoch, from which training that was stopped goes on; left out, none.
        seed: Seed of whatever is random in learning.
    """

    name: ClassVar[str] = "learned_trim"
    title: ClassVar[str] = "learned trim"
    colour: ClassVar[str] = "#AA4499"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "gated_drop", "instruction", "l2s")
    needs: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.HIDDEN, Capability.LOGITS, Capability.ADD_VECTOR, Capability.CACHE, Capability.GRADIENTS}
    )

    layers: tuple[int, ...] = ()
    width: Count = 1
    positions: Positions = "from_last_prompt"
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.positions not in ("from_last_prompt", "last_prompt"):
            raise UsageError(
                "`positions` of LearnedTrim must be 'from_last_prompt' or 'last_prompt', since what comes before is "
                f"computed without edits in training; got {self.positions!r}."
            )

    def fit(self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet, progress: Progress = SILENT) -> Artifact:
        """Make lessons of the items and train the networks; see ``Method.fit``."""
        loaded = opened(model, *self.needs, owner="LearnedTrim.fit")
        wanted = self.layers or range(model.n_layers)
        layers = tuple(dict.fromkeys(check_layer(model, layer, "LearnedTrim") for layer in wanted))
        given = items.given if isinstance(items, TrainingSet) else items
        asked = admit_items(model, given, lambda item: [prompt_for(item)], ITEMS, conflicts=True).require(ITEMS)
        prompts: list[Prompt] = [own[0] for own in asked.prompts]
        lessons = make_lessons(asked.items, prompts, self.target, self.seed)
        self._check(lessons, asked)
        networks, metrics = self._trained(loaded, layers, lessons, items_fingerprint(asked.items), progress)
        return self.artifact(
            model,
            chooser=networks,
            data_fingerprint=items_fingerprint(asked.items),
            fitted_items=remembered(asked.items),
            metrics={"train": {"items": len(asked.items), "skipped": len(asked.skipped), **metrics}},
        )

    def options(self) -> dict[str, Any]:
        """Return what was chosen, without the file that only training knows."""
        return {name: value for name, value in super().options().items() if name != "checkpoint"}

    def _check(self, lessons: Sequence[Lesson], asked: Admitted) -> None:
        whole = sum(lesson.kind == "conflict" for lesson in lessons)
        if whole < 2:
            raise UsageError(
                f"`items` of LearnedTrim.fit must hold at least 2 conflict items with the {self.target} and another "
                f"modality; got {whole} among {len(asked.items)} that can be asked; give more."
            )

    def _trained(
        self, model: Model, layers: tuple[int, ...], lessons: Sequence[Lesson], items: str, progress: Progress
    ) -> tuple[LearnedTrimChooser, dict[str, Any]]:
        rows = [Row(lesson.prompt) for lesson in lessons[:: -(-len(lessons) // MOST_STATES)]]
        read = run(
            model, rows, Read(logits=False, hidden=layers), batch_size=self.training.batch_size, progress=progress
        ).hidden
        networks = Networks.begun({layer: read[layer] for layer in layers}, self.width, self.seed, model.device)
        path = None if self.checkpoint is None else Path(self.checkpoint)
        kept = Checkpoint(path, self._digest(model, layers, items))
        course = Course(lessons, self.positions, self.training, self.seed)
        weights, metrics = train_networks(model, networks, course, kept, progress)
        tensors = {name: tensor.cpu() for name, tensor in weights.items()}
        return LearnedTrimChooser(list(layers), self.positions, **tensors), metrics

    def _digest(self, model: Model, layers: tuple[int, ...], items: str) -> str:
        """Return a digest of all that decides how training goes."""
        chosen = {**asdict(self), "checkpoint": None, "layers": layers}
        text = json.dumps([chosen, model.fingerprint, items], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
