"""Move attention from sinks to the other tokens of a modality."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.engine.capability import Sizes
from trimtab.engine.edits.boost import ScoreEdit
from trimtab.engine.edits.checks import check_number
from trimtab.engine.edits.places import Places, check_places, resolve
from trimtab.engine.encoded import Encoded
from trimtab.errors import UsageError


@dataclass(frozen=True, eq=False)
class RedistributeAttention(ScoreEdit):
    """VAR (arXiv 2503.03321): heads that look at a modality look less at sinks, and at its other tokens instead.

    For a query of ``target`` and a head, let S be the attention on all sinks, V that on the tokens of ``source`` that
    are no sinks, and W that on those that are. Where ``V + W >= min_attention`` and ``W / (V + W) <= max_sink_share``,
    the sinks keep ``1 - strength`` of S, and the rest of it goes to V's tokens in proportion. Sums stay as they are.
    See ``ScoreEdit`` for the other attributes.

    Attributes:
        strength: Share of the attention on sinks that is moved, 0 to 1; 0.4 in the released code, whose p = 0.6 is
            what stays.
        sinks: Token indices of the sinks.
        min_attention: A head must give the modality at least this attention; the paper's 0.2.
        max_sink_share: At most this share of it may lie on sinks; the paper's 0.5.
    """

    sinks: Places
    min_attention: float = 0.2
    max_sink_share: float = 0.5

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        super().check(model)
        check_places(self.sinks, "sinks", "RedistributeAttention")
        check_number(self.min_attention, "min_attention", "RedistributeAttention", "the paper's is 0.2")
        check_number(self.max_sink_share, "max_sink_share", "RedistributeAttention", "the paper's is 0.5")
        if not (0 <= self.strength <= 1 and 0 <= self.min_attention <= 1 and 0 <= self.max_sink_share <= 1):
            raise UsageError(
                "`strength`, `min_attention` and `max_sink_share` of RedistributeAttention must be in 0..1; got "
                f"{self.strength}, {self.min_attention} and {self.max_sink_share}; the paper's are 0.4, 0.2 and 0.5."
            )

    @property
    def places(self) -> Places:
        """Its sources, targets and sinks."""
        return (*super().places, *self.sinks)

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index whose attention changes; earlier tokens may be reused from a cache."""
        resolve(self.sinks, prompt, "sinks", "RedistributeAttention")
        return super().reach(prompt)
