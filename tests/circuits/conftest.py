"""Items for the planted circuit and for tiny random models."""

import io
from typing import Any

import pytest
from PIL.Image import Image

from trimtab.circuits import Cases, TaskConfig, build_cases
from trimtab.items import Item, MediaBytes
from trimtab.models import Model
from trimtab.testing import picture
from trimtab.testing.planted_circuit import COLOURS, CONTEXT, INSTRUCTIONS, QUESTION, colour_picture, planted_circuit

PLANTED_TASK = TaskConfig(INSTRUCTIONS)  # pyright: ignore[reportArgumentType]


def conflict(name: str, image: Image, question: str, context: str, answers: tuple[str, str], **more: Any) -> Item:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Item(
        name,
        "color",
        question,
        context=context,
        answer_image=answers[0],
        answer_text=answers[1],
        image=MediaBytes(buffer.getvalue()),
        **more,
    )


def planted_items(n: int = 8) -> list[Item]:
    pairs = [(a, b) for step in (1, 3, 5) for a, b in zip(COLOURS, COLOURS[step:] + COLOURS[:step], strict=True)]
    return [
        conflict(f"{number}", colour_picture(seen), QUESTION, CONTEXT.format(told), (seen, told))
        for number, (seen, told) in enumerate(pairs[:n])
    ]


@pytest.fixture(scope="session")
def planted() -> Model:
    return planted_circuit()


@pytest.fixture(scope="session")
def planted_cases(planted: Model) -> Cases:
    return build_cases(planted, planted_items(), PLANTED_TASK)


def tiny_items() -> list[Item]:
    context = "Two cats play with a red ball in the garden."
    return [
        conflict("a", picture(1), "What is it?", context, ("one", "cat")),
        conflict("b", picture(2, (84, 56)), "How many animals are there?", "A dog sleeps.", ("two", "dog")),
        conflict("c", picture(3), "What color is the ball?", context, ("sofa", "red")),
    ]


@pytest.fixture
def cases(model: Model) -> Cases:
    """Cases of each tiny random model in turn."""
    return build_cases(model, tiny_items())
