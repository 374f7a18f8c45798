"""Contributions along one answer: at which word does the model stop looking?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trimtab.contribution.coalitions import Coalitions, answer_log_p
from trimtab.contribution.mcs import average_scores, step_scores, with_answers
from trimtab.contribution.measuring import ask, case_of_prompt
from trimtab.contribution.method import Case
from trimtab.contribution.options import MCS
from trimtab.contribution.scores import Scores, columns
from trimtab.contribution.shapley import Shapley
from trimtab.engine import Capability, ModelOrEngine, Prompt, engine_of, generate, require, run
from trimtab.engine.local.whitebox import opened
from trimtab.errors import DataError
from trimtab.items import Item
from trimtab.modalities import Modality

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class AnswerTrace:
    """The contribution of each modality to each token of a greedy answer.

    Attributes:
        item_id: The item that was asked.
        tokens: The answer's tokens as text; each score is that of choosing the token.
        steps: The scores at each token, with the shares; NaN where no modality reaches the answer.
    """

    item_id: str
    tokens: tuple[str, ...]
    steps: tuple[Scores, ...]

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities measured, in the order of tables."""
        return tuple(self.steps[0].values)

    def scores(self, modality: Modality) -> tuple[float, ...]:
        """Return a modality's score at each token."""
        return tuple(step.values[modality] for step in self.steps)

    def shares(self, modality: Modality) -> tuple[float, ...]:
        """Return a modality's share at each token."""
        return tuple(step.shares[modality] for step in self.steps)

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row a token."""
        return [
            {"item_id": self.item_id, "step": n, "token": token, **columns(step)}
            for n, (token, step) in enumerate(zip(self.tokens, self.steps, strict=True))
        ]

    def table(self) -> DataFrame:
        """Return one row a token: ``item_id, step, token``, and the columns of ``Contributions.rows``."""
        from pandas import DataFrame

        return DataFrame(self.rows())


def trace(
    model: ModelOrEngine,
    item: Item,
    *,
    instruction: str | None = None,
    config: MCS | Shapley | None = None,
    modalities: Sequence[Modality] | None = None,
    max_new_tokens: int = 16,
) -> AnswerTrace:
    """Measure the contribution of each modality at every token of one greedy answer.

    Each token is asked after the answer's own earlier tokens.

    Args:
        model: The model.
        item: What to ask.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        config: How to measure; its ``steps`` is ``max_new_tokens`` here. Left out, Shapley values of each token's
            probability.
        modalities: What to measure; see ``measure``.
        max_new_tokens: Longest answer in tokens.

    Raises:
        DataError: The item cannot be measured: it has one modality alone, or its image cannot be read.
        UsageError: An option does not fit the model, or edits are applied.
    """
    config = replace(config or Shapley(), steps=max_new_tokens)
    cases, skipped = ask(model, [item], config, instruction, modalities)
    if skipped:
        raise DataError(f"`item` of trace must be one that can be measured; {skipped[0].reason}.")
    return _traced(model, cases[0], config, item.id)


def trace_prompt(model: ModelOrEngine, prompt: Prompt, *, max_new_tokens: int = 16) -> AnswerTrace:
    """Trace a prompt that belongs to no item, by Shapley values; the trace's ``item_id`` is empty. See ``trace``.

    Raises:
        DataError: The prompt has one modality alone.
    """
    config = Shapley(steps=max_new_tokens)
    return _traced(model, case_of_prompt(model, prompt, config), config, "")


def _traced(model: ModelOrEngine, case: Case, config: MCS | Shapley, name: str) -> AnswerTrace:
    tokens, steps = (_sensitivities if isinstance(config, MCS) else _effects)(model, case, config)  # pyright: ignore
    return AnswerTrace(name, tuple(engine_of(model).detokenize([token]) for token in tokens), tuple(steps))


def _sensitivities(model: ModelOrEngine, case: Case, config: MCS) -> tuple[Sequence[int], list[Scores]]:
    """Return the answer's tokens and the scores of each; all steps are rows of the same passes."""
    model = opened(model, Capability.CACHE, Capability.GRADIENTS, owner="trace")
    asked = with_answers(model, [case], config.steps)
    (values,) = step_scores(model, [case], asked, config)
    steps = [average_scores(values[..., n : n + 1], case.modalities, config) for n in range(values.shape[-1])]
    return asked[0].answer or _stop(model, case), steps


def _effects(model: ModelOrEngine, case: Case, config: Shapley) -> tuple[Sequence[int], list[Scores]]:
    """Return the answer's tokens and the Shapley values of each."""
    require(model, Capability.LOGITS, owner="trace")
    answer = generate(model, case.encoded, max_new_tokens=config.steps).tokens[0] or _stop(model, case)
    sets = Coalitions.of(case.modalities)
    (log_p,) = answer_log_p(model, [case], [answer], sets)
    return answer, [config.score(sets, own) for own in log_p.T]


def _stop(model: ModelOrEngine, case: Case) -> list[int]:
    """Return the token by which an answer stops at once."""
    return [int(run(model, case.encoded).logits[0].argmax())]
