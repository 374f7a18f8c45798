"""What a circuits study does, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Self

from trimtab.circuits import SCOPES, TaskConfig
from trimtab.circuits.task import AnswerRule
from trimtab.engine import Placement
from trimtab.fields import Above, Count, OneOf, Portion, Some, check_fields
from trimtab.modalities import Modality
from trimtab.studies.kit.length import BUNDLED_TOKENS, answer_length
from trimtab.studies.kit.loading import check_loading, loading_identity
from trimtab.studies.kit.source import FromFile

SCORES = ("direct", "gradient", "causal", "patching")

FEW = {
    "score_items": 6,
    "validation_items": 4,
    "test_items": 8,
    "ability_items": 8,
    "flow_items": 2,
    "random_sets": 1,
}
"""The most items and controls of a fast study."""


@dataclass(frozen=True)
class CircuitsPlan(FromFile):
    """A circuits study of one model.

    Items are split by picture: scores are computed on one part, the choice between scores and the amplification are
    made on a second, and everything is evaluated on a third.

    Attributes:
        model: Bundled name, folder or Hub id.
        data: The data set.
        seed: Seed of the split, the random controls and the bootstraps.
        score_items: Items to score heads, read the lens and split the layers on.
        validation_items: Items to choose the score and the amplification on.
        test_items: Items to evaluate on.
        ability_items: Of how many items each plain ability is compared, intact and with the chosen heads blocked: those
            of ``test_items``, and further ones that no choice has seen, as far as there are any. 158 are the fewest
            that can show of three abilities that none falls by more than 3 points.
        flow_items: How many of the score items the knockouts run on.
        window: Layers of a knockout window.
        share: Share of all heads that is chosen; the paper's is 5 %.
        shares: Further shares to block, to see the smallest set that matters.
        scope: Where heads are scored (but for ``direct`` and ``patching``, which are at the last token), blocked and
            amplified; a key of ``trimtab.circuits.SCOPES``.
        factors: Candidate amplifications of the chosen heads.
        random_sets: Random head sets of each kind of control.
        instructions: The sentence that names each modality, for a model that does not heed MC2's; it may hold examples.
            Left out, MC2's.
        placement: Where it stands.
        answer_tokens: Which items the first answer token can decide; see ``TaskConfig``.
        chunk: Items of a resumable step.
        batch_size: The most rows of a batch, fixed so that a run can be repeated to the last bit on one machine.
        max_new_tokens: Longest answer in tokens; left out, 8 for a bundled model and 32 for others.
        load: How the model was loaded: arguments of ``trimtab.load``.
    """

    model: str
    data: str = "pocket-mc2:test"
    seed: int = 0
    score_items: Count = 48
    validation_items: Count = 40
    test_items: Count = 80
    ability_items: Count = 158
    flow_items: Count = 24
    window: Count = 3
    share: Portion = 0.05
    shares: tuple[Portion, ...] = (0.01, 0.02, 0.1, 0.2)
    scope: Annotated[str, OneOf(SCOPES)] = "instruction+last"
    factors: Annotated[tuple[Annotated[float, Above(1)], ...], Some()] = (1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 8.0)
    random_sets: Count = 3
    instructions: dict[Modality, str] = field(default_factory=dict)
    placement: Placement = "before_question"
    answer_tokens: AnswerRule = "distinct"
    chunk: Count = 40
    batch_size: Count = 64
    max_new_tokens: Count | None = None
    load: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("CircuitsPlan", self.load)
        _ = self.task

    @property
    def task(self) -> TaskConfig:
        """How items are asked.

        Raises:
            UsageError: Only one modality has an instruction.
        """
        return TaskConfig(self.instructions, self.placement, self.answer_tokens)

    @property
    def longest_answer(self) -> int:
        """The longest answer in tokens."""
        return answer_length([self.model], BUNDLED_TOKENS) if self.max_new_tokens is None else self.max_new_tokens

    def fast(self) -> Self:
        """Return the same study on few items, with few controls: wide intervals, every part."""
        sizes = {name: min(getattr(self, name), few) for name, few in FEW.items()}
        return replace(self, shares=(), factors=self.factors[len(self.factors) // 2 :][:1], **sizes)

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        found = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return found | {"max_new_tokens": self.longest_answer, "load": loading_identity(self.load)}
