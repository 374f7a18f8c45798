"""Prompts of many shapes: none, one and two pictures, with and without context and instruction."""

from trimtab.engine import Prompt
from trimtab.testing import picture

INSTRUCTION = "In case there is an inconsistency, you should follow the image content."


def varied_prompts() -> list[Prompt]:
    one, two, three = picture(1), picture(2, (84, 56)), picture(3, (56, 112))
    context = "Two cats play with a ball in the garden."
    return [
        Prompt("What color is it?", (one,), context),
        Prompt("What color is it?", (one,), context, INSTRUCTION),
        Prompt("What is it doing?", (one,), context, INSTRUCTION, placement="after_question"),
        Prompt("How many animals are in the two pictures?", (two, three)),
        Prompt("How many cats are there?", (), context),
        Prompt("Who is happy?", (three,), "A dog sleeps on the red sofa.", choices=("the dog", "the cat")),
        Prompt("What is it?", (two,)),
        Prompt("What color is it?", (one,)),
    ]
