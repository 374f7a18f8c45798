"""Conflict items of different lengths around random pictures."""

from io import BytesIO

from trimtab.items import Item, MediaBytes
from trimtab.testing import picture

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
