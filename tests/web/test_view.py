"""The browser of runs, as a person uses it: with the keyboard, on a phone, in the dark."""

import socket
from urllib.parse import urlencode

import pytest

NAMES = '["pocket-qwen","amps","image","open"]'
PAGES = {
    "runs": "/",
    "run": "/run?run=one",
    "answers": "/items?run=one&label=image",
    "item": "/item?run=one&id=test-color-0199",
    "compare": "/compare?a=one&b=two",
    "flips": f"/flips?{urlencode({'a': 'one', 'b': 'two', 'ca': NAMES, 'cb': NAMES})}",
    "wrong": "/run?run=nowhere",
}


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_no_wider_than_the_window(opened, name, size):
    page = opened(PAGES[name], size)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def test_on_a_phone_each_cell_says_what_it_is(opened):
    page = opened(PAGES["compare"], "phone")
    cell = page.locator("td[data-label='p, Holm']").first
    assert cell.evaluate("one => getComputedStyle(one, '::before').content") == '"p, Holm"'
    assert page.locator("thead").first.bounding_box()["x"] < -100
    table = opened(PAGES["compare"]).locator("thead").first
    assert table.bounding_box()["x"] >= 0


@pytest.mark.parametrize("name", PAGES)
def test_words_stand_out_in_the_dark(opened, name):
    page = opened(PAGES[name], scheme="dark")
    light = page.evaluate(
        """() => {
            const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(one => {
                const share = one / 255;
                return share <= .04045 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4;
            });
            const light = colour => parts(colour).reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
            const behind = one => {
                const colour = getComputedStyle(one).backgroundColor;
                return colour === 'rgba(0, 0, 0, 0)' ? behind(one.parentElement) : colour;
            };
            return [...document.querySelectorAll('h1, p, a, td, th, dt, dd, small, .chip, button, label, bdi')]
                .filter(one => one.offsetWidth > 1 && one.innerText)
                .map(one => [light(getComputedStyle(one).color), light(behind(one)), one.outerHTML.slice(0, 80)])
                .map(([a, b, text]) => [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), text]);
        }"""
    )
    assert light
    assert [one for one in light if one[0] < 4.5] == []  # as WCAG's level AA asks of text
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"


def test_pictures_are_shown(opened):
    page = opened(PAGES["flips"])
    page.wait_for_load_state("networkidle")
    shown = page.eval_on_selector_all("img.thumb", "all => all.slice(0, 3).map(one => one.naturalWidth)")
    assert shown == [112, 112, 112]
    assert all(page.eval_on_selector_all("img", "all => all.map(one => one.hasAttribute('alt'))"))


def press_until(page, wanted: str, most: int = 60) -> None:
    """Press the tab key until something has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({wanted!r})"):
            return
    raise AssertionError(f"the tab key does not reach {wanted}")


def test_a_run_is_found_and_its_answers_chosen_with_the_keyboard_alone(opened):
    page = opened("/")
    press_until(page, "a[href='/run?run=two']")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/run?run=two")
    press_until(page, "a[href='/items?run=two&table=items']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/items?run=two&table=items")
    press_until(page, "select[name=method]")
    page.keyboard.type("AMPS")
    press_until(page, "select[name=label]")
    page.keyboard.type("image")
    press_until(page, "input[name=search]")
    page.keyboard.type("color")
    page.keyboard.press("Enter")
    page.wait_for_url("**search=color**")
    outcomes = page.locator("tbody td[data-label=outcome]").all_inner_texts()
    assert outcomes
    assert {one.strip() for one in outcomes} == {"follows the image"}


def test_two_runs_are_compared_with_the_keyboard_alone(opened):
    page = opened("/")
    press_until(page, "input[name=a]")
    press_until(page, "input[name=b]")
    page.keyboard.press("ArrowDown")
    press_until(page, "button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare?a=one&b=two")
    press_until(page, "a[href*='amps']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/flips?**")
    assert page.locator("article").count() == 12
    press_until(page, "a[rel=next]", 80)
    page.keyboard.press("Enter")
    page.wait_for_url("**page=2**")
    assert page.locator("article").count() == 8


def test_the_first_tab_leads_past_the_top(opened):
    page = opened(PAGES["answers"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0


def test_a_report_of_somebody_else_runs_nothing_and_asks_nobody(opened, folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        elsewhere = f"http://127.0.0.1:{other.getsockname()[1]}"
        (folder / "one" / "report.html").write_text(
            "<title>as it was</title><script>document.title = 'changed'</script>"
            f"<img src='{elsewhere}/a.png' onerror=\"document.title = 'changed'\">"
            f"<link rel=stylesheet href='{elsewhere}/a.css'><iframe src='/run?run=one'></iframe>"
            f"<form action='{elsewhere}'><button>Send</button></form><p>words</p>"
        )
        page = opened("/report?run=one")
        page.wait_for_load_state("networkidle")
        assert page.title() == "as it was"
        assert page.locator("p").inner_text() == "words"
        page.locator("button").click()
        page.wait_for_timeout(200)
        assert page.url.endswith("/report?run=one")
        with pytest.raises(BlockingIOError):
            other.accept()
