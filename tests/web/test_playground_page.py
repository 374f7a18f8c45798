"""The playground in a browser: its whole path, on a desktop and on a phone."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL.Image import Image

import trimtab as tt
from trimtab.items import read_items
from trimtab.web import Playground
from trimtab.web.stories import STORIES, items_of_stories

pytest.importorskip("gradio", reason="needs Gradio: make test-web")
pytestmark = pytest.mark.filterwarnings("ignore")  # of gradio and what it stands on

BOOT, DONUTS, TOO_HARD = (story.title for story in STORIES)


class Served(NamedTuple):
    address: str
    kept: Path
    play: Playground


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    import uvicorn  # pyright: ignore[reportMissingImports]

    from trimtab.web.server import application, listen

    model = tt.load("pocket-qwen")
    few = read_items("pocket-mc2:train")[:32]
    ways = [tt.MeanDifference(target="image").fit(model, few), tt.Instruction(target="text").fit(model)]
    kept = tmp_path_factory.mktemp("kept") / "items.jsonl"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
    play = Playground(model, ways, 8, kept)
    with listen("127.0.0.1", 0) as door:
        servers: list[uvicorn.Server] = []

        async def serve() -> None:
            servers.append(uvicorn.Server(uvicorn.Config(application(play), log_level="warning")))
            await servers[0].serve(sockets=[door])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        yield Served(f"http://127.0.0.1:{door.getsockname()[1]}", kept, play)
        servers[0].should_exit = True
        thread.join(20)
    monkeypatch.undo()


@pytest.fixture
def page(browser, served) -> Iterator[Any]:
    """The page; afterwards, nothing may have been asked of any other machine."""
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    found = context.new_page()
    found.set_default_timeout(60_000)
    found.on("request", lambda request: asked.append(request.url))
    found.goto(served.address)
    found.get_by_label(BOOT).wait_for()
    yield found
    context.close()
    assert [url for url in asked if not url.startswith((served.address, "data:", "blob:"))] == []


def picture_of(story: str) -> Image:
    image = items_of_stories()[story].image
    assert image is not None
    return image.open()


def until(page, label: str, text: str) -> None:
    """Wait until a field has a text."""
    field = page.get_by_label(label, exact=True).element_handle()
    page.wait_for_function("([one, text]) => one.value === text", arg=[field, text])


def test_a_story_is_one_click(page):
    page.get_by_label(BOOT).check()
    until(page, "Plain answer", "orange")
    until(page, "From the picture alone", "pink")
    until(page, "From the text alone", "orange")
    until(page, "Steered answer", "pink")
    page.get_by_text("The picture 20 %, the text 80 %.").wait_for()
    page.get_by_text("Receipt: AddVector").wait_for()


def test_a_picture_of_ones_own_is_asked_steered_looked_into_and_kept(page, served, tmp_path):
    item, image = items_of_stories()[BOOT], picture_of(BOOT)
    image.save(tmp_path / "mine.png")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "mine.png")
    page.locator("img[src*='mine.png']").wait_for()
    page.get_by_label("Question", exact=True).fill(item.question)
    page.get_by_label("Text beside the picture").fill(item.context)
    page.get_by_role("button", name="Ask").click()
    until(page, "Plain answer", "orange")
    until(page, "Steered answer", "pink")
    page.get_by_role("slider", name="Strength").fill("0")
    until(page, "Steered answer", "orange")
    page.get_by_text("strength 0 is the plain model").wait_for()
    page.get_by_role("button", name="Look inside").first.click()
    page.get_by_role("button", name="Look inside", exact=True).last.click()
    page.get_by_text("The few heads that matter").wait_for()
    assert page.get_by_role("row", name="text → answer pink").count() == 1
    page.get_by_role("button", name="Make this a test item").click()
    page.get_by_label("Answer by the picture").fill("pink")
    page.get_by_label("Answer by the text").fill("orange")
    page.get_by_role("button", name="Keep").click()
    until(page, "Kept", f"playground-0001 is in {served.kept}")
    (kept,) = read_items(served.kept)
    assert (kept.question, kept.answer_image, kept.answer_text) == (item.question, "pink", "orange")
    assert kept.image is not None
    assert kept.image.open().tobytes() == image.tobytes()


def test_steering_too_hard_warns(page):
    page.get_by_label(TOO_HARD).check()
    page.get_by_role("alert").filter(has_text="Collapsed").wait_for()


def test_what_cannot_be_asked_is_said_in_a_sentence(page):
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("the question must not be empty; write one.").wait_for()


def test_it_fits_a_phone_and_the_dark(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.get_by_label(DONUTS).check()
    until(page, "Plain answer", "four")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_first_answer_takes_less_than_two_seconds(served):
    item, begun = items_of_stories()[DONUTS], time.process_time()
    served.play.ask(picture_of(DONUTS), item.question, item.context)
    assert time.process_time() - begun < 2


@pytest.fixture
def stranger(browser) -> Iterator[Any]:
    """Asks for addresses without a page."""
    context = browser.new_context()
    yield context.request
    context.close()


def test_a_stranger_gets_no_file_and_other_names_and_pages_no_answer(served, stranger):
    address = served.address
    for path in ("file=/etc/passwd", "file=pyproject.toml", f"file={served.kept}", "proxy=https://example.org/"):
        assert stranger.get(f"{address}/gradio_api/{path}").status in (400, 403, 404, 405), path
    assert stranger.get(f"{address}/gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}
    for path in ("docs", "openapi.json", "static/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "assets/%2e%2e/%2e%2e/routes.py"):
        assert stranger.get(f"{address}/{path}").status in (400, 403, 404), path
    assert stranger.get(address, headers={"host": "elsewhere.example"}).status == 400
    crossed = stranger.post(f"{address}/gradio_api/queue/join", data={}, headers={"sec-fetch-site": "cross-site"})
    assert crossed.status == 403
    assert "default-src 'self'" in stranger.get(address).headers["content-security-policy"]


def test_a_file_that_is_too_large_is_refused(served, stranger):
    large = {"name": "large.png", "mimeType": "image/png", "buffer": b"0" * (11 << 20)}
    assert stranger.post(f"{served.address}/gradio_api/upload", multipart={"files": large}).status == 413


def test_what_is_no_picture_is_refused(page, tmp_path):
    (tmp_path / "mine.png").write_bytes(b"no picture")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "mine.png")
    page.get_by_label("Question", exact=True).fill("What is it?")
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("Error", exact=True).first.wait_for()
