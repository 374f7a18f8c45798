"""Instructions that name the modality to follow, by split: no test wording is ever trained on."""

from __future__ import annotations

# Test: the sentences of MC2's released prompts (arXiv 2505.20977) and their mirrors.
_TEST = {
    "image": (
        "In case there is an inconsistency between the text context and the image content, you should follow the "
        "image content rather than the text context.",
    ),
    "text": (
        "In case there is an inconsistency between the text context and the image content, you should follow the "
        "text context rather than the image content.",
    ),
}
_VALIDATION = (
    "If the {other} context and the {own} content do not agree, you must rely on the {own} content.",
    "When there is a conflict, follow the {own} content and not the {other} content.",
)
# Train: {own} is the modality to follow, {other} the one to disregard.
_TRAIN = (
    "If the {own} and the {other} disagree, trust the {own}.",
    "Follow the {own} rather than the {other}.",
    "In case of a conflict, rely on the {own} and ignore the {other}.",
    "You should answer from the {own}, not from the {other}.",
    "Respond to the question based only on the {own}.",
    "Where the {other} says something else, the {own} is right.",
    "Do not believe the {other}; the {own} content is what counts.",
    "Please use the {own} content and disregard the {other} content.",
    "The {own} should be followed if there is an inconsistency between the two.",
    "When the two contradict each other, you must go by the {own}.",
    "Give the answer that the {own} supports, whatever the {other} says.",
    "Prioritize the information from the {own} over the {other}.",
    # Short ones that name one modality only are understood first, and the others after them.
    "Answer from the {own}.",
    "Trust the {own}.",
    "Only the {own} counts here.",
    "Go by the {own} alone.",
    "Use nothing but the {own}.",
    "The {own} is right.",
    "Follow the {own}.",
    "Please rely on the {own}.",
)
_NAMES = {
    "image": ("image", "image", "image content", "picture", "photo"),
    "text": ("text", "text", "text context", "passage", "context"),
}


def instructions_for(target: str, split: str = "test") -> tuple[str, ...]:
    """The sentences that ask a model to follow one modality.

    Args:
        target: "image" or "text".
        split: "train", "validation" or "test". Test has MC2's own wording.
    """
    if split == "test":
        return _TEST[target]
    other = "text" if target == "image" else "image"
    if split == "validation":
        return tuple(pattern.format(own=target, other=other) for pattern in _VALIDATION)
    pairs = list(zip(_NAMES[target], _NAMES[other], strict=True)) + [(_NAMES[target][0], _NAMES[other][3])]
    written = (pattern.format(own=own, other=other) for pattern in _TRAIN for own, other in dict.fromkeys(pairs))
    return tuple(dict.fromkeys(written))
