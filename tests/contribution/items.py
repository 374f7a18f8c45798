"""Conflict items of different lengths around random pictures."""

from io import BytesIO

from trimtab.items import Item, MediaBytes
from trimtab.testing import picture, sound

CONTEXTS = (
    "a dog sleeps on the red sofa",
    "two cats play with a ball in the garden while a dog sleeps on the sofa",
    "the animal is happy",
)


def image(seed: int, size: tuple[int, int] = (56, 56)) -> MediaBytes:
    buffer = BytesIO()
    picture(seed, size).save(buffer, format="PNG")
    return MediaBytes(buffer.getvalue())


def conflict_items(n: int = 3) -> list[Item]:
    sizes = ((56, 56), (84, 56), (56, 84))
    return [
        Item(
            id=f"item-{i}",
            task=("color", "counting")[i % 2],
            question="What is the color of the animal?",
            context=CONTEXTS[i % 3],
            answer_image="one",
            answer_text="two",
            image=image(i, sizes[i % 3]),
        )
        for i in range(n)
    ]


def trio_items(n: int = 3) -> list[Item]:
    """Items of an image, a sound and a context of one word, so that what the words say is not averaged away."""
    return [
        Item(
            id=f"item-{i}",
            task=("color", "counting")[i % 2],
            question="What is it?",
            context=" ".join([("sofa", "garden", "cats")[i % 3]] * 40),
            answer_image="one",
            answer_text="two",
            answer_audio="three",
            image=image(i),
            audio=sound(i, 0.6 + 0.2 * (i % 3)),
        )
        for i in range(n)
    ]
