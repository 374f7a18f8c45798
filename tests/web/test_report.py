"""Tables of a report, sorted by a click or with the keyboard, in a browser and through ``trimtab view``."""

import pytest

from trimtab.report.page import script
from trimtab.viewing.drawing import environment

HEADS = ["model", "method", "following", "p"]
ROWS = [
    ("pocket-qwen", 3, [("amps", "80.0 51–63", "0.040"), ("l2s", "9.5", "< 0.001"), ("mean", "−20.0", "1")]),
    ("pocket-llava", 1, [("none", "70.0", "0.5")]),
    ("smol", 2, [("a", "1,200.5", ""), ("b", "+3", "0.2")]),
]


@pytest.fixture(scope="session")
def report(folder) -> None:
    """A report of two tables: one whose names stand for several rows, and a plain one."""
    body = ""
    for name, size, rows in ROWS:
        for place, cells in enumerate(rows):
            first = f'<th class="left" rowspan="{size}">{name}</th>' if place == 0 else ""
            body += f"<tr{' class=first' if place == 0 else ''}>{first}{''.join(f'<td>{c}</td>' for c in cells)}</tr>"
    plain = "".join(f"<tr><td>{cells[0]}</td><td>{cells[1]}</td></tr>" for _, _, rows in ROWS for cells in rows)
    head = "".join(f"<th>{one}</th>" for one in HEADS)
    table = f"<table id=blocks><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    other = f"<table id=plain><thead><tr><th>method</th><th>rate</th></tr></thead><tbody>{plain}</tbody></table>"
    from markupsafe import Markup

    page = environment().get_template("page.html.j2")
    html = page.render(title="sorted", parts=[Markup(table), Markup(other)], script=Markup(script()))
    (folder / "two" / "report.html").write_text(html)


def column(page, table: str, number: int) -> list[str]:
    """Texts of a column, counted from the last."""
    return page.eval_on_selector_all(
        f"#{table} tbody tr", f"rows => rows.map(row => [...row.cells].at(-{number}).innerText)"
    )


def test_a_click_sorts_rows_within_their_name(opened, report):
    page = opened("/report?run=two")
    page.locator("#blocks th", has_text="following").locator("button").click()
    assert column(page, "blocks", 2) == ["80.0 51–63", "9.5", "−20.0", "70.0", "1,200.5", "+3"]
    page.locator("#blocks th", has_text="following").locator("button").click()
    assert column(page, "blocks", 2) == ["−20.0", "9.5", "80.0 51–63", "70.0", "+3", "1,200.5"]
    named = page.eval_on_selector_all("#blocks tr.first", "rows => rows.map(row => row.cells[0].innerText)")
    assert named == [name for name, _, _ in ROWS]
    assert page.locator("#blocks [aria-sort]").get_attribute("aria-sort") == "ascending"


def test_small_p_come_before_larger_ones(opened, report):
    page = opened("/report?run=two")
    for _ in range(2):
        page.locator("#blocks thead th").last.locator("button").click()
    assert column(page, "blocks", 1) == ["< 0.001", "0.040", "1", "0.5", "0.2", ""]


def test_the_keyboard_sorts_too(opened, report):
    page = opened("/report?run=two")
    page.locator("#plain button").first.focus()
    page.keyboard.press("Enter")
    assert column(page, "plain", 2) == ["none", "mean", "l2s", "b", "amps", "a"]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert column(page, "plain", 1) == ["1,200.5", "80.0 51–63", "70.0", "9.5", "+3", "−20.0"]
    assert page.locator("#plain [aria-sort]").count() == 1


def test_a_report_can_be_read_in_the_dark_and_in_print(opened, report):
    page = opened("/report?run=two", scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 31)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 36, 48)"
