"""Which words of a reply take an answer back: denials before it or after it, idioms that deny nothing, corrections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from trimtab.items.words import Word, words

# fmt: off
NEGATORS = frozenset({
    "not", "no", "never", "neither", "nor", "without", "cannot", "cant", "isnt", "arent", "wasnt",
    "werent", "dont", "doesnt", "didnt", "wont", "wouldnt", "couldnt", "hasnt", "havent", "aint",
    "than", "hardly", "lacks", "lacking",
})
# fmt: on
# "not only a cat" and "not just a cat" do not deny the cat.
_NO_DENIAL_BEFORE = frozenset({"only", "just", "merely"})
# A denial does not reach past these: "not a dog but a cat".
_DENIAL_ENDS = frozenset(
    {"but", "and", "instead", "rather", "so", "because", "although", "while", "whereas", "而", "但"}
)
# How many words before a mention may stand between it and its denial: "does not look like a happy ...".
DENIAL_REACH = 4
# fmt: off
_IDIOMS = frozenset({
    ("no", "doubt"), ("no", "question"), ("no", "wonder"), ("without", "doubt"), ("without", "question"),
    ("all", "right"),
})
# fmt: on

# What says that something is not there, behind its name: "the cat is not there", "the cat isn't in the picture".
_VERBS = frozenset({"is", "are", "was", "were", "can", "does", "do"})
_DENYING_VERBS = frozenset({"isnt", "arent", "wasnt", "werent", "cannot", "cant", "doesnt", "dont", "aint"})
_ADVERBS = frozenset({"actually", "really", "even", "be", "currently", "clearly"})
# fmt: off
_THERE = frozenset({
    "there", "here", "present", "visible", "shown", "seen", "depicted", "pictured", "in", "it", "what", "correct",
    "right", "true", "appear", "exist", "answer",
})
# fmt: on
_GONE = frozenset({"absent", "missing", "wrong", "incorrect", "false", "gone", "nowhere"})

# A clause of these alone, or one that begins with "I mean", takes back what came before it.
_CORRECTIONS = frozenset({"no", "wait", "sorry", "actually", "oops", "correction"})


def _runs(phrases: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Phrases as the words they give."""
    return tuple(tuple(word.text for word in words(phrase)) for phrase in phrases)


_DENIED_BY = _runs(
    ("instead of", "anything but", "far from", "不是", "没有", "沒有", "不像", "并非", "並非", "ไม่ใช่", "ไม่มี")
)
_THEN_DENIED = _runs(
    ("ではな", "ではあり", "じゃな", "じゃあり", "でな", "はいな", "がいな", "はいません", "はな", "はありま", "がな")
)


def without_idioms(spoken: Sequence[Word], answers: Collection[tuple[str, ...]]) -> list[Word]:
    """The words of a reply without idioms that only look like an answer or a denial: "no doubt", "all right".

    Args:
        spoken: The reply.
        answers: The answers looked for, as words; an idiom that is part of one of them stays.
    """
    dropped: set[int] = set()
    for index, (first, second) in enumerate(pairwise(spoken)):
        pair = (first.text, second.text)
        if pair in _IDIOMS and first.clause == second.clause and not any(set(pair) <= set(a) for a in answers):
            dropped |= {index, index + 1}
    return [word for index, word in enumerate(spoken) if index not in dropped]


def denied_before(spoken: Sequence[Word], start: int) -> bool:
    """Whether words shortly before ``start``, in the same clause, deny what starts there."""
    for index in range(start - 1, max(start - 2 - DENIAL_REACH, -1), -1):
        word = spoken[index]
        if word.clause != spoken[start].clause:
            return False
        if word.text in NEGATORS and spoken[index + 1].text not in _NO_DENIAL_BEFORE:
            return True
        if any(_run(spoken, index + 1 - len(run), run) for run in _DENIED_BY):
            return True
        if word.text in _DENIAL_ENDS:
            return False
    return False


def denied_after(spoken: Sequence[Word], end: int, following: int) -> bool:
    """Whether the words from ``end`` on, in the same clause and before a "but", say that what ends there is not so.

    Args:
        spoken: The reply.
        end: The first word behind the mention.
        following: Where the next mention starts: "the cat is not a dog" denies the dog, not the cat.
    """
    clause = [w.text for w in spoken[end:] if w.clause == spoken[end - 1].clause]
    clause = clause[: next((k for k, word in enumerate(clause) if word in _DENIAL_ENDS), len(clause))]
    if any(tuple(clause[: len(run)]) == run for run in _THEN_DENIED):
        return True
    if following < end + len(clause):
        return False
    rest = [word for word in clause if word not in _ADVERBS]
    if rest[:1] and rest[0] in _VERBS and rest[1:2] and rest[1] in _GONE:
        return True
    negated = rest[:1] and rest[0] in _DENYING_VERBS
    if not negated and not (rest[:1] and rest[0] in _VERBS and rest[1:2] == ["not"]):
        return False
    said = rest[1:] if negated else rest[2:]
    return not said or said[0] in _THERE


def corrected_at(spoken: Sequence[Word], answers: Collection[tuple[str, ...]]) -> list[int]:
    """Where a reply begins anew: "a dog, no, a cat" takes the dog back.

    Args:
        spoken: The reply.
        answers: The answers looked for; a word that is one of them corrects nothing ("no" to a yes-or-no question).

    Returns:
        Indices of first words of clauses, ascending.
    """
    clauses: dict[int, list[int]] = {}
    for index, word in enumerate(spoken):
        clauses.setdefault(word.clause, []).append(index)
    found = []
    for indices in clauses.values():
        texts = [spoken[index].text for index in indices]
        is_answer = any((text,) in answers for text in texts)
        if (_CORRECTIONS.issuperset(texts) and not is_answer) or texts[:2] == ["i", "mean"]:
            found.append(indices[0])
    return found


def _run(spoken: Sequence[Word], start: int, run: tuple[str, ...]) -> bool:
    return start >= 0 and tuple(word.text for word in spoken[start : start + len(run)]) == run
