"""Conflict items over two tasks; pictures are noise, which is enough to run."""

import io

from trimtab.items import Item, Items, MediaBytes
from trimtab.testing import picture

ANSWERS = ["one", "two", "three", "red", "cat", "ball"]


def make_items(split: str, n: int = 6) -> Items:
    found = Items()
    for i in range(n):
        buffer = io.BytesIO()
        picture(i).save(buffer, format="PNG")
        found.append(
            Item(
                id=f"{split}-{i}",
                task=["color", "counting"][i % 2],
                question="What is in the picture?",
                context=f"The cats play with {ANSWERS[i % 6]} of the ball.",
                answer_image=ANSWERS[(i + 1) % 6],
                answer_text=ANSWERS[i % 6],
                image=MediaBytes(buffer.getvalue(), f"{split}-{i}.png"),
                split=split,
            )
        )
    return found
