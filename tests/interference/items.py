"""Made-up items of each family, with pictures of noise."""

import io

from trimtab.items import Item, MediaBytes
from trimtab.testing import picture

THINGS = ("dog", "sofa", "ball", "garden")
NUMBERS = ("one", "two", "three")


def image(seed: int) -> MediaBytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, format="PNG")
    return MediaBytes(buffer.getvalue())


def image_item(i: int = 0) -> Item:
    right, wrong = THINGS[i % 4], THINGS[(i + 1) % 4]
    context = f"A {wrong} in the picture."
    question = "What is in the picture?" if i % 2 else "What is the animal?"
    return Item(
        f"i{i}",
        "things",
        question,
        context=context,
        answer_image=right,
        answer_text=wrong,
        image=image(i),
        choices=THINGS,
        relevant="image",
        tags=("photo",),
    )


def text_item(i: int = 0) -> Item:
    answer = NUMBERS[i % 3]
    return Item(
        f"t{i}",
        "facts",
        f"Two and {answer} cats?",
        answer_text=answer,
        image=image(100 + i),
        choices=NUMBERS,
        relevant="text",
    )


def both_item(i: int = 0) -> Item:
    answer = ("red", "cat")[i % 2]
    return Item(
        f"b{i}",
        "joined",
        f"What is the color of the {THINGS[i % 4]}?",
        context=f"The {THINGS[i % 4]} is {answer}.",
        answer_image=answer,
        answer_text=answer,
        image=image(200 + i),
        choices=("red", "cat"),
        relevant="both",
    )


def mixed(n: int = 4) -> list[Item]:
    """``n`` items of each family."""
    return [make(i) for make in (image_item, text_item, both_item) for i in range(n)]
