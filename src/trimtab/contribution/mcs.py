"""The Modality Contribution Score of cases: batches, chunks of draws, averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.contribution.batch import Continued, QueryBatch, query_batch
from trimtab.contribution.embeddings import embedding_scores
from trimtab.contribution.limit import limit_scores
from trimtab.contribution.method import Case
from trimtab.contribution.noise import NoisePool, noise_pool
from trimtab.contribution.sampled import sampled_scores
from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import segment
from trimtab.engine import Row, check_layer, describe, generate
from trimtab.engine.local.whitebox import batch_size_of, halving, rows_within
from trimtab.modalities import PAIR, Modality
from trimtab.models import Model
from trimtab.progress import Advance

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS

SCORE_COPIES = 8
"""Numbers kept for each attention score of a row: scores before and after noise, softmax, gradients."""

NUMBER_BYTES = 4
"""Whatever the model computes in, entries, noise and scores are float32."""

MOST_ROWS = 512
"""More single-token rows than this in a pass gain nothing."""


def score_cases(
    model: Model,
    cases: Sequence[Case],
    config: MCS,
    advance: Advance | None = None,
) -> list[Scores]:
    """Score cases; see ``trimtab.contribution.method.Method``."""
    if config.steps == 1:
        asked = [Continued.of(case.encoded) for case in cases]
    else:
        asked = with_answers(model, cases, config.steps)
    return [
        average_scores(values, case.modalities, config)
        for case, values in zip(cases, step_scores(model, cases, asked, config, advance), strict=True)
    ]


def with_answers(model: Model, cases: Sequence[Case], steps: int) -> list[Continued]:
    """Put the first tokens of the greedy answer after each prompt, so that every step can be asked at once."""
    answers = generate(model, [Row(case.encoded) for case in cases], max_new_tokens=steps)
    return [Continued.of(case.encoded, tokens) for case, tokens in zip(cases, answers.tokens, strict=True)]


def step_scores(
    model: Model,
    cases: Sequence[Case],
    asked: Sequence[Continued],
    config: MCS,
    advance: Advance | None = None,
) -> list[Tensor]:
    """Score every perturbation of every case.

    Returns:
        For each case ``(modalities, draws, sigmas, steps)``, as many steps as its answer has tokens;
        the limit has one draw.

    Raises:
        UnsupportedMethodError: The model's layers do not all attend to the longest prompt.
    """
    for layer in config.layers or ():
        check_layer(model, layer, "MCS")
    longest = max(len(a.prompt) for a in asked)
    model.require("contribution", sees=longest if config.queried else 0)
    if config.estimator == "limit":
        return _in_batches(model, cases, asked, config, None, advance)
    segments = _longest_segments(cases, asked, config)
    most = draws_that_fit(model, config, longest, len(segments))
    with noise_pool(model, config, segments, most) as pool:
        return _in_batches(model, cases, asked, config, pool, advance)


def _in_batches(
    model: Model,
    cases: Sequence[Case],
    asked: Sequence[Continued],
    config: MCS,
    pool: NoisePool | None,
    advance: Advance | None,
) -> list[Tensor]:
    order = sorted(range(len(asked)), key=lambda i: -len(asked[i].prompt))
    found: dict[int, Tensor] = {}

    def measure(start: int, end: int) -> list[Tensor]:
        chosen = order[start:end]
        return _score_batch(model, [cases[i] for i in chosen], [asked[i] for i in chosen], config, pool)

    draws, longest = 1 if pool is None else pool.draws_at_once, len(asked[order[0]].prompt)
    size = items_that_fit(model, config, longest, draws, len(cases[0].modalities))
    for start, end, values in halving(
        model, size, len(order), measure, lambda place: describe(asked[order[place]].prompt)
    ):
        found.update(zip(order[start:end], values, strict=True))
        if advance:
            advance(end - start)
    return [found[i] for i in range(len(cases))]


def average_scores(values: Tensor, modalities: Sequence[Modality], config: MCS) -> Scores:
    """Average ``(modalities, draws, sigmas, steps)`` over draws, steps and sigmas."""
    over_draws = values.mean(1) if config.average == "mean" else values.quantile(0.5, dim=1)
    by_sigma = over_draws.mean(-1)
    means = dict(zip(modalities, by_sigma.mean(-1).tolist(), strict=True))
    if config.ratio == "of_means":
        return Scores.of(means)
    return Scores.shared(means, [float((own / by_sigma.sum(0)).mean()) for own in by_sigma])


def items_that_fit(model: Model, config: MCS, length: int, draws: int, modalities: int) -> int:
    """Guess how many items of ``length`` tokens can be scored at once, each for so many modalities."""
    rows = _rows_of_item(config, draws, modalities)
    if size := batch_size_of(model):  # known to fit, or fixed so that a run can be repeated to the last bit
        return max(1, size // rows)
    return max(1, min(rows_within(model, item_bytes(model, config, length, draws, modalities)), MOST_ROWS // rows))


def item_bytes(model: Model, config: MCS, length: int, draws: int = 1, modalities: int = len(PAIR)) -> int:
    """Count the memory of one item of ``length`` tokens beside the weights: its prefix, and its rows with gradients."""
    prefix = 3 * NUMBER_BYTES * length * _cache_numbers(model)
    return prefix + _rows_of_item(config, draws, modalities) * _row_bytes(model, config, length)


def _rows_of_item(config: MCS, draws: int, modalities: int) -> int:
    """Return how many single-token rows an item is asked as."""
    if config.site == "embeddings":
        return 1
    if config.estimator == "limit":
        return config.steps * config.top_tokens
    return config.steps * (1 + modalities * len(config.sigmas) * draws)


def draws_that_fit(model: Model, config: MCS, length: int, modalities: int) -> int:
    """Guess how many draws of one item of ``length`` tokens can be scored at once."""
    rows = config.steps * modalities * len(config.sigmas)
    return rows_within(model, rows * _row_bytes(model, config, length))


def _row_bytes(model: Model, config: MCS, length: int) -> int:
    """Count what a row keeps until its gradients are known."""
    text = model.text_config
    if config.site == "embeddings":
        numbers = length * model.n_layers * (12 * model.hidden_size + 3 * text.intermediate_size)
    else:
        numbers = model.n_layers * (SCORE_COPIES * model.n_heads * length + 24 * model.hidden_size)
    return NUMBER_BYTES * (numbers + 8 * text.vocab_size)


def _cache_numbers(model: Model) -> int:
    """Keys and values of one token."""
    return 2 * model.n_layers * model.text_config.num_key_value_heads * model.head_dim


def _longest_segments(cases: Sequence[Case], asked: Sequence[Continued], config: MCS) -> dict[Modality, int]:
    return {m: max(len(segment(a.prompt, m, config.text)) for a in asked) for m in cases[0].modalities}


def _score_batch(
    model: Model,
    cases: Sequence[Case],
    asked: Sequence[Continued],
    config: MCS,
    pool: NoisePool | None,
) -> list[Tensor]:
    """Score the cases of a batch, under noise if there is any; ``(modalities, draws, sigmas, steps)`` each."""
    if pool is not None and config.site == "embeddings":
        return embedding_scores(model, cases, asked, config, pool)
    batch = query_batch(model, asked, config.text, cases[0].modalities)
    if pool is None:
        values = limit_scores(model, batch, config)
    else:
        values = torch.cat([sampled_scores(model, cases, batch, config, noise) for noise in pool.chunks()], dim=2)
    return _without_padding(values.cpu(), batch)


def _without_padding(values: Tensor, batch: QueryBatch) -> list[Tensor]:
    return [v[..., exists] for v, exists in zip(values, (batch.index >= 0).cpu(), strict=True)]
