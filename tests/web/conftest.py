"""Pages in a real browser, without a window. Without Playwright and Chromium nothing runs here."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.viewing.runs import answers, site_of, write_run
from trimtab.viewing import Server

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium of this machine: the one that TRIMTAB_CHROMIUM names, or the first that is found."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: make test-web")
    path = os.environ.get("TRIMTAB_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("needs a Chromium: install one (Debian: apt-get install chromium), or name it in TRIMTAB_CHROMIUM")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose items are of the bundled benchmark."""
    from trimtab.items import read_items

    home = tmp_path_factory.mktemp("web") / "runs"
    names = [item.id for item in read_items("pocket-mc2:test")[:60]]
    for run, followed in (("one", {"none": 20, "amps": 30}), ("two", {"none": 22, "amps": 50})):
        table = answers(followed)
        table["id"] = [names[int(item[1:])] for item in table["id"]]
        write_run(home / run, table, data="pocket-mc2")
    return home


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    with Server(site_of(folder)) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def opened(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """Opens an address of the server; afterwards, nothing may have been asked of any other machine."""
    contexts, asked, wrong = [], [], []

    def get(path: str, size: str = "desktop", scheme: str = "light") -> Any:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: request.failure == "csp" and asked.remove(request.url))  # never sent
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(server.address.rstrip("/") + path)
        return page

    yield get
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((server.address, "data:"))] == []
    assert wrong == []
