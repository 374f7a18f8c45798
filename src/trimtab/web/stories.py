"""Stories to begin with: a question of the bundled benchmark, and a way to steer its answer."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.items import Item, read_items


@dataclass(frozen=True)
class Story:
    """A question, and how to steer its answer first.

    Attributes:
        title: What a visitor chooses it by.
        item_id: Of the bundled benchmark.
        way: Begins the name of the way to steer, if it is there.
        strength: Of steering.
    """

    title: str
    item_id: str
    way: str
    strength: float


STORIES = (
    Story("A pink boot, in the text orange", "test-color-0021", "mean, toward the image", 1.0),
    Story("Four donuts, in the text six", "test-counting-0013", "mean, toward the text", 1.0),
    Story("Steered too hard: five turtles, in the text one", "test-counting-0022", "mean, toward the image", 8.0),
)


def items_of_stories() -> dict[str, Item]:
    """Return each story's item by its title."""
    every = {item.id: item for item in read_items("pocket-mc2:test")}
    return {story.title: every[story.item_id] for story in STORIES}
