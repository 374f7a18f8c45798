"""Merge the keys and values of tokens that look little at a modality into those that look at it more."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.engine.capability import Sizes
from trimtab.engine.edits.boost import ScoreEdit
from trimtab.engine.edits.checks import check_number
from trimtab.engine.edits.places import ALL, GENERATED, resolve
from trimtab.engine.encoded import Encoded
from trimtab.errors import NothingEditedError, UsageError


@dataclass(frozen=True, eq=False)
class MergeKeys(ScoreEdit):
    """IKOD's merging (arXiv 2508.03469): ``target`` queries see a shorter text, of tokens that look at a modality.

    Of the tokens after the last one of ``source``, the query's own left out, a share is kept: those that paid the most
    attention to ``source`` when they were queries themselves, in the mean over heads of that layer. Every other one is
    merged into the nearest that is kept, the earlier of two: the keys of a group become their mean, and so do their
    values. What comes before, and the query itself, stay as they are.

    Keys and values need not be touched for that. A query's score on the mean of a group's keys is the mean of its
    scores on them; and attention on the mean of their values is that attention shared out among them alike. So each
    member of a group of n gets the group's mean score less ``log n``.

    See ``ScoreEdit`` for the other attributes.

    Attributes:
        strength: How far the scores go there, 0 to 1; 1 merges.
        kept: Share of the tokens that is kept, rounded down; where that is none, nothing is merged.
    """

    kept: float = 0.4

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        super().check(model)
        check_number(self.kept, "kept", "MergeKeys", "the released code's is 0.4")
        if {ALL, GENERATED} & set(self.source):
            raise UsageError(
                f"`source` of MergeKeys must be tokens of the prompt; got {self.source}; name spans of the prompt."
            )
        if not (0 <= self.strength <= 1 and 0 < self.kept <= 1):
            raise UsageError(
                "`strength` and `kept` of MergeKeys must be in 0..1, and `kept` above 0; got "
                f"{self.strength} and {self.kept}; the released code keeps 0.4."
            )

    def start(self, prompt: Encoded) -> int:
        """Return the first token that may be merged: the one after the last of ``source``.

        Raises:
            NothingEditedError: The prompt ends there, so there is nothing to merge.
        """
        found = resolve(self.source, prompt, "source", "MergeKeys").prompt.nonzero()
        if not len(found) or int(found[-1]) + 2 >= len(prompt):
            raise NothingEditedError(
                f"`source` of MergeKeys must come before other tokens of the prompt, which are merged; got "
                f"{self.source} in a prompt of {len(prompt)} tokens; name a part that is followed by others."
            )
        return int(found[-1]) + 1

    def reach(self, prompt: Encoded) -> int:
        """Return the first token whose attention is looked at or changed; earlier ones may be reused from a cache."""
        return min(self.start(prompt), super().reach(prompt))
