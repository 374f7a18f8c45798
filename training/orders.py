"""Instructions for training, put together from parts, so that few are met twice.

A model that meets a few dozen instructions learns each by heart and cannot follow others; composed ones
leave only the meaning to learn. None is a validation or test instruction of the benchmark.
"""

from __future__ import annotations

import random

from trimtab.pocket import instructions_for

_LISTED_SHARE = 0.35
_NAMES = {
    "image": ("image", "image content", "picture", "photo", "content of the image"),
    "text": ("text", "text context", "passage", "context", "text content"),
}
_OPENINGS = (
    "", "", "", "If the {a} and the {b} disagree, ", "When the {a} says one thing and the {b} another, ",
    "In case of doubt, ", "Where they differ, ", "Should the {a} contradict the {b}, ",
    "Since the {a} may not match the {b}, ", "If there is any conflict of the {a} with the {b}, ",
    "Whenever the {b} and the {a} are at odds, ", "In case the {a} and the {b} differ, ",
    "In the event of a mismatch between the {a} and the {b}, ",
    "Given a contradiction between the {a} and the {b}, ", "As soon as the {a} is in conflict with the {b}, ",
)  # fmt: skip
_MANNERS = ("", "", "please ", "you must ", "you should ", "always ", "you have to ", "it is best to ")
_VERBS = (
    "follow", "trust", "use", "rely on", "go by", "believe", "answer from", "stick to", "listen to", "take", "prefer",
)  # fmt: skip
_BEFORE = ("", "", "", "instead of the {other}, ", "ignore the {other} and ", "do not use the {other}, ")
_AFTER = (
    "", "", " and not the {other}", ", not the {other}", " instead of the {other}", " and ignore the {other}",
    " over the {other}", " rather than the {other}", ", whatever the {other} says", " more than the {other}",
)  # fmt: skip


def order(target: str, rng: random.Random) -> str:
    """Write an instruction to follow one modality: one of the benchmark's for training, or a composed one."""
    if rng.random() < _LISTED_SHARE:
        return rng.choice(instructions_for(target, "train"))
    own, other = rng.choice(_NAMES[target]), rng.choice(_NAMES["text" if target == "image" else "image"])
    first, second = rng.sample((own, other), 2)
    verb, after = rng.choice(_VERBS), rng.choice(_AFTER)
    if verb == "follow":  # as the test's instruction does
        after = after.replace("rather than", "instead of")
    words = rng.choice(_OPENINGS) + rng.choice(_MANNERS) + rng.choice(_BEFORE) + verb + " the {own}" + after + "."
    sentence = words.format(a=first, b=second, own=own, other=other)
    return sentence[0].upper() + sentence[1:]
