"""What can be chosen about the Modality Contribution Score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from trimtab.contribution.spans import TextSpan
from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import opened
from trimtab.errors import UsageError
from trimtab.fields import Count, Positive, Some, check_fields

if TYPE_CHECKING:
    from trimtab.contribution.method import Case
    from trimtab.contribution.scores import Scores
    from trimtab.progress import Advance

Divergence = Literal["ce", "ce_reversed", "kl", "kl_reversed", "js", "probability"]
Estimator = Literal["sampled", "limit"]
Site = Literal["cache", "embeddings"]
Entries = Literal["both", "keys", "values"]
Gradient = Literal["segment", "full"]
Scale = Literal["relative", "absolute"]
Constant = Literal["none", "half", "half_variance"]
Normalise = Literal["none", "tokens", "entries"]
Average = Literal["mean", "median"]
Ratio = Literal["of_means", "mean_of_ratios"]
Vocabulary = Literal["all", "answers"]

DIVERGENCES: tuple[Divergence, ...] = get_args(Divergence)
LIMITS: tuple[Divergence, ...] = ("ce", "kl", "kl_reversed", "js")
"""Divergences whose value for ever smaller noise is known in closed form."""


@dataclass(frozen=True)
class MCS:
    """Options of Algorithm 1 of AMPS (arXiv 2602.12533), one for each thing the paper leaves open.

    The score says how sensitive the answer is to each modality; on the pocket models it hardly tells which modality
    the answer comes from (``docs/contribution_validity.md``), as ``Shapley``, the default of ``measure``, does.

    ``MCS()`` is the exact limit for small noise, ``MCS.paper()`` the literal reading;
    ``docs/contribution.md`` says how they differ and why.

    Below, x is the clean answer, z the answer under noise, both distributions over the next token.

    Attributes:
        sigmas: Sizes of the noise. Rounding of the logits in float32 moves a score by some 1e-5 of itself at a
            relative sigma of 0.2, 1e-4 at 0.05 and 2e-3 at 0.003.
        draws: Noise draws for each sigma (N in eq. 7).
        seed: Seed of the noise. A draw depends on it and on modality, number and place alone; sigmas, items and
            generated steps share draws, so their scores can be compared, and neither batches nor the other items
            change a score.
        divergence: What is measured between x and z. ``"ce"``: CE(p_x, p_z), Algorithm 1 line 7. ``"ce_reversed"``:
            CE(p_z, p_x), equations 5 to 7. ``"kl"``, ``"kl_reversed"``: the same less the entropy, so 0 without
            noise. ``"js"``: the Jensen-Shannon divergence. ``"probability"``: f is the noisy probability of the clean
            answer's likeliest token (Gat et al., ICML 2022); no divergence, hence no reference to x.
        estimator: ``"sampled"``: noise, forward, backward. ``"limit"``: the exact value for ever smaller noise from
            gradients of log p of the likeliest tokens, without noise; sigmas and draws do not matter. It is there for
            ``ce``, ``kl``, ``kl_reversed`` and ``js``; other readings need ``"sampled"``.
        top_tokens: For ``"limit"``: how many likeliest tokens are told apart; the others count as one.
        site: Where the noise goes: ``"cache"``: keys and values of the prompt, its last token being the query;
            ``"embeddings"``: input embeddings, with a full forward pass for each draw (Gat et al., NeurIPS 2020).
        entries: Which cache entries get noise.
        layers: Which layers' entries get noise, 0-based, negative from the end; None for all.
        gradient: ``"segment"``: with respect to the entries that got noise (eq. 6 and 7); ``"full"``: to the whole
            cache (Algorithm 1 line 8).
        scale: ``"relative"``: a sigma is a share of the standard deviation of the very entries it perturbs, those of
            one item, modality and layer, keys and values apart. ``"absolute"``: it is the standard deviation.
        constant: Factor before the integral. ``"none"``: eq. 6 and 7. ``"half"``: eq. 4. ``"half_variance"``: each
            squared gradient times half the variance of its entry's noise, which is what the logarithmic Sobolev
            inequality says for noise of any size, and makes the score a bound on the functional entropy in nats;
            entries without noise weigh nothing then, whatever ``gradient`` is.
        normalise: ``"none"``: the squared gradients are summed; else divided by the number of tokens or entries
            they are summed over.
        text: What the text is: ``"user_text"``: context and question with its options; ``"context"``: the context
            alone; ``"prompt"``: all tokens but those of what is shown and the query, with template and instruction.
        vocabulary: ``"all"``: the full softmax; ``"answers"``: among the first tokens of the answers that the item's
            modalities support.
        average: Over draws: ``"mean"`` (eq. 7), or ``"median"``, which a single wild draw cannot move.
        ratio: ``"of_means"``: of the scores averaged over sigmas; ``"mean_of_ratios"``: a ratio for each sigma, then
            their mean, so that no sigma outweighs the others.
        steps: How many answer tokens to average over, as far as the greedy answer goes; 1 is the first.
    """

    name: ClassVar[str] = "mcs"

    sigmas: Annotated[tuple[Positive, ...], Some()] = (0.1, 0.2)
    draws: Count = 2
    seed: int = 0
    divergence: Divergence = "kl"
    estimator: Estimator = "limit"
    top_tokens: Count = 16
    site: Site = "cache"
    entries: Entries = "both"
    layers: Annotated[tuple[int, ...], Some()] | None = None
    gradient: Gradient = "segment"
    scale: Scale = "relative"
    constant: Constant = "none"
    normalise: Normalise = "none"
    text: TextSpan = "user_text"
    vocabulary: Vocabulary = "all"
    average: Average = "mean"
    ratio: Ratio = "of_means"
    steps: Count = 1

    @classmethod
    def paper(cls, **options: Any) -> MCS:
        """Return the literal reading: Algorithm 1 with the gradient of equations 6 and 7, at the first answer token.

        Line 8 of Algorithm 1 differentiates by the whole cache instead (``gradient="full"``). The paper does not say
        which answer tokens count, nor gives sigmas and draws; those here are our choice.

        Args:
            options: Attributes to set otherwise.
        """
        literal: dict[str, Any] = {"sigmas": (0.01, 0.05, 0.1), "draws": 4, "divergence": "ce", "estimator": "sampled"}
        return cls(**(literal | options))

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "sigmas", tuple(float(s) for s in self.sigmas))
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(int(layer) for layer in self.layers))
        self._check_together()

    @property
    def queried(self) -> int:
        """The prompt's last token and those of the answer but its last; none where whole prompts are run."""
        return self.steps if self.site == "cache" else 0

    @property
    def counts_whole_cache(self) -> bool:
        """Whether the gradients of all entries count, not only of those with noise.

        Weighed by the variance of their own noise, entries without noise count nothing.
        """
        return self.gradient == "full" and self.constant != "half_variance"

    def _check_together(self) -> None:
        if self.site == "embeddings" and (self.entries != "both" or self.layers is not None):
            raise UsageError(
                "`site` of MCS must be 'cache' where `entries` or `layers` are chosen, since input "
                "embeddings have neither; got 'embeddings'; leave those two out."
            )
        if self.estimator != "limit":
            return
        needs = {
            "divergence": (self.divergence in LIMITS, f"one of {', '.join(LIMITS)}"),
            "site": (self.site == "cache", "'cache'"),
            "average": (self.average == "mean", "'mean', since there are no draws"),
            "vocabulary": (self.vocabulary == "all", "'all'; `top_tokens` says how many tokens are told apart"),
        }
        for option, (holds, rule) in needs.items():
            if not holds:
                raise UsageError(
                    f"`{option}` of MCS must be {rule} with estimator='limit'; got "
                    f"{getattr(self, option)!r}; choose that, or estimator='sampled'."
                )

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases; see ``trimtab.contribution.method.Method``."""
        from trimtab.contribution.mcs import score_cases

        model = opened(model, Capability.CACHE, Capability.GRADIENTS, owner="MCS")
        return score_cases(model, cases, self, advance)
