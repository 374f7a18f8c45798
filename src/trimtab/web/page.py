"""The playground's page: what is on it, and what its buttons do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from trimtab.errors import TrimtabError
from trimtab.media import open_picture
from trimtab.web import drawing
from trimtab.web.playground import Playground
from trimtab.web.stories import STORIES, items_of_stories

if TYPE_CHECKING:
    import gradio as gr  # pyright: ignore[reportMissingImports]
    from PIL.Image import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported, which the functions below do

P = ParamSpec("P")
R = TypeVar("R")

WAITING = 16
"""Questions that may wait for the model; further ones are refused. The model answers one at a time."""

KEPT = (600, 3600)
"""Every so many seconds, what visitors uploaded is removed if it is older than so many."""

STEERED = "Steered answer"

MODEL: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "model"}
"""How what needs the model is called: by the page alone, one at a time."""


def said(work: Callable[P, R]) -> Callable[P, R]:
    """Show what trimtab refuses as its one sentence."""
    import gradio as gr  # pyright: ignore[reportMissingImports]

    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except TrimtabError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return told


def page(play: Playground) -> gr.Blocks:
    """Lay out the page of a playground."""
    import gradio as gr  # pyright: ignore[reportMissingImports]

    with gr.Blocks(title="trimtab", analytics_enabled=False, delete_cache=KEPT) as blocks:
        gr.Markdown(
            "# Which does it believe: the picture, or the text?\n"
            f"Ask {play.model.name} about a picture and a text that says something else. Nothing leaves this machine."
        )
        story = gr.Radio([one.title for one in STORIES], label="Begin with a story, or with a picture of your own")
        with gr.Row():
            with gr.Column():
                asked, ask = _asked()
            with gr.Column():
                answers = _answers()
            with gr.Column():
                steering = _steering(play)
        answers.append(_looking(play, asked))
        found = ask.click(said(_answering(play)), asked, answers, **MODEL)
        told = story.input(_telling(play), [story], [*asked, *steering[:2]], api_visibility="private")
        following = told.success(said(_answering(play)), asked, answers, **MODEL)
        if play.ways:
            moved, inputs = said(_moving(play)), [*asked, *steering[:2]]
            for before in (found, following):
                before.success(moved, inputs, steering[2:], **MODEL)
            steering[0].input(moved, inputs, steering[2:], **MODEL)
            steering[1].input(moved, inputs, steering[2:], trigger_mode="always_last", **MODEL)
        if play.kept is not None:
            _keeping(play, asked)
    return blocks.queue(max_size=WAITING, default_concurrency_limit=1)


def opened(path: str | None) -> Image | None:
    """Open an uploaded picture by trimtab's rules."""
    return None if path is None else open_picture(Path(path), "that was uploaded")


def _asked() -> tuple[list[gr.components.Component], gr.Button]:
    import gradio as gr  # pyright: ignore[reportMissingImports]

    # A picture is kept as it came: another format would change what the model sees.
    picture = gr.Image(
        type="filepath", image_mode=None, format="png", label="Picture", sources=["upload", "clipboard"], height=240
    )
    question = gr.Textbox(label="Question", max_length=2000)
    text = gr.Textbox(label="Text beside the picture", lines=3, max_length=2000)
    return [picture, question, text], gr.Button("Ask", variant="primary")


def _answers() -> list[gr.components.Component]:
    import gradio as gr  # pyright: ignore[reportMissingImports]

    plain = gr.Textbox(label="Plain answer", interactive=False)
    with gr.Row():
        seen = gr.Textbox(label="From the picture alone", interactive=False, min_width=120)
        read = gr.Textbox(label="From the text alone", interactive=False, min_width=120)
    return [plain, seen, read, gr.HTML(drawing.shares({})), gr.HTML()]


def _steering(play: Playground) -> list[gr.components.Component]:
    import gradio as gr  # pyright: ignore[reportMissingImports]

    way = gr.Dropdown([*play.ways], label="Method", value=next(iter(play.ways), None))
    strength = gr.Slider(0, play.limits.strength, value=1, step=0.25, label="Strength")
    answer = gr.Textbox(label=STEERED, interactive=False)
    return [way, strength, answer, gr.HTML()]


def _answering(play: Playground) -> Callable[[str | None, str, str], tuple[str, ...]]:
    def answered(picture: str | None, question: str, text: str) -> tuple[str, ...]:
        found = play.ask(opened(picture), question, text)
        alone = (found.alone.get("image", ""), found.alone.get("text", ""))
        nothing_inside = ""  # what is shown there is of the question before
        return found.answer, *alone, drawing.shares(found.shares), drawing.words(found.trace), nothing_inside

    return answered


def _moving(play: Playground) -> Callable[[str | None, str, str, str, float], tuple[str, str]]:
    def moved(picture: str | None, question: str, text: str, way: str, strength: float) -> tuple[str, str]:
        found = play.steer(opened(picture), question, text, way, strength)
        return found.answer, drawing.receipt(found.receipt, found.broken)

    return moved


def _telling(play: Playground) -> Callable[[str], tuple[Image | None, str, str, str | None, float]]:
    items, ways = items_of_stories(), [*play.ways]

    def told(title: str) -> tuple[Image | None, str, str, str | None, float]:
        item, story = items[title], next(one for one in STORIES if one.title == title)
        image = None if item.image is None else item.image.open()
        way = next((name for name in ways if name.startswith(story.way)), next(iter(ways), None))
        return image, item.question, item.context, way, story.strength

    return told


def _looking(play: Playground, asked: list[gr.components.Component]) -> gr.HTML:
    """Lay out what shows the model's inside, and return where it is shown."""
    import gradio as gr  # pyright: ignore[reportMissingImports]

    with gr.Accordion("Look inside: attention between parts, and the heads that matter", open=False):
        look = gr.Button("Look inside")
        shown = gr.HTML()

        def looked(picture: str | None, question: str, text: str) -> str:
            return drawing.inside(play.look_inside(opened(picture), question, text))

        look.click(said(looked), asked, shown, **MODEL)
    return shown


def _keeping(play: Playground, asked: list[gr.components.Component]) -> None:
    """Lay out what makes a test item of a question."""
    import gradio as gr  # pyright: ignore[reportMissingImports]

    with gr.Accordion("Make this a test item", open=False):
        with gr.Row():
            image_answer = gr.Textbox(label="Answer by the picture", max_length=200)
            text_answer = gr.Textbox(label="Answer by the text", max_length=200)
        keep = gr.Button("Keep")
        done = gr.Textbox(label="Kept", interactive=False)

        def kept(picture: str | None, question: str, text: str, first: str, second: str) -> str:
            image = opened(picture)
            if image is None:
                raise gr.Error("A test item must have a picture.", print_exception=False)
            return f"{play.keep(image, question, text, first, second).id} is in {play.kept}"

        keep.click(said(kept), [*asked, image_answer, text_answer], done, **MODEL)
