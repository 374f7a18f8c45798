import json
import re
from html.parser import HTMLParser

import pytest

from trimtab.errors import RunFolderError
from trimtab.report import following_tables, headline, pair_verdict, paired_table, verdicts, write_report
from trimtab.report.curves import pareto_figure
from trimtab.report.tables import equal_strength_table, p_value, points, receipt_table


class Page(HTMLParser):
    """Collects a page's table rows and everything it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


@pytest.fixture
def page(run) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_the_page_needs_no_other_file(page, run):
    assert page.loads
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
    html = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|<script |url\(", html)
    assert html.count("<script>") == 1


def test_figures_are_written_as_png(page, run):
    names = sorted(path.name for path in (run / "figures").iterdir())
    models = ("pocket-llava", "pocket-qwen")
    each = [f"{figure}-{model}.png" for figure in ("pareto", "strength") for model in models]
    assert names == sorted(["contribution.png", "paired.png", "preference.png", *each])
    assert all((run / "figures" / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_the_page_holds_every_row_of_the_tables(page, summary):
    cells = [set(row) for row in page.rows]
    tables = following_tables(summary)
    assert [t.target for t in tables] == ["image", "text"]
    for table in tables:
        assert len(table.lines) == 2 * 5
        assert table.tasks == ["color", "counting", "object"]
        for line in table.lines:
            wanted = {line.method, *(c.text for c in line.cells), line.others.text, line.collapse.text}
            assert any(wanted <= row for row in cells), line


def test_a_table_row_is_what_was_counted(summary):
    image = following_tables(summary)[0]
    amps = next(line for line in image.lines if line.method == "AMPS")
    assert (amps.total.text, amps.total.best, amps.strength) == ("80.0", True, "1")
    assert (amps.others.text, amps.collapse.text) == ("18.3", "1.7")


def test_verdicts_follow_the_paired_test(summary):
    against = pair_verdict(summary)
    assert against == "Against L2S, AMPS is better in 2 and not distinguishable in 2 of 4 comparisons."
    image, text = verdicts(summary)[:2]
    assert "20.0 % of answers follow the image without steering" in image
    assert "80.0 % with AMPS" in image
    assert "AMPS minus L2S is +30.0 points" in image
    assert image.endswith("AMPS is better here.")
    assert text.endswith("no difference is shown; one below 13.3 points could not have been.")


def test_the_headline_says_what_moves_the_answers_furthest(summary):
    first, second = headline(summary).split(". Furthest on these items: ")
    assert first == "Answers move toward the target beyond chance in 4 of 4 cases"
    assert "pocket-qwen, image: AMPS 80.0 % (20.0 % without; 1.7 % collapse)" in second
    assert "compares no method" in headline({**summary, "rows": []})


def test_a_headline_of_few_items_says_what_could_not_have_been_shown(summary):
    few = {
        "rows": [{**r, "n": 9} for r in summary["rows"]],
        "paired": [{**r, "n": 9, "p_holm": 1.0} for r in summary["paired"]],
    }
    assert "in 0 of 4 cases; on 9 items a shift below 88.9 points could not have been shown." in headline(
        {**summary, **few}
    )
    few["rows"] = [{**r, "n": 5} for r in summary["rows"]]
    assert "in 0 of 4 cases: 5 items are too few to tell." in headline({**summary, **few})


def test_tied_rates_may_be_in_the_papers_order(summary):
    rows = [{**r, "following": 0.7 if r["method"] in ("mean", "l2s") else r["following"]} for r in summary["rows"]]
    image = verdicts({**summary, "rows": rows})[0]
    assert "in the paper's order, instruction < mean < L2S < AMPS, but for ties: instruction 40.0, mean 70.0" in image


def test_where_nothing_collapses_no_method_is_named(summary):
    rows = [{**r, "collapse": 0.0} for r in summary["rows"]]
    assert "No reply collapses." in verdicts({**summary, "rows": rows})[0]


def test_a_minus_is_a_minus_in_sentences(summary):
    paired = [{**r, "effect": -0.36} for r in summary["paired"]]
    assert "Cohen's g −0.36" in verdicts({**summary, "paired": paired})[0]


def test_no_axis_of_rates_goes_below_zero(summary):
    flat = {**summary, "sweep": [{**r, "collapse": 0.0, "following": 0.5} for r in summary["sweep"]]}
    panels = pareto_figure(flat, "pocket-qwen").axes
    assert panels
    for panel in panels:
        assert panel.get_xlim()[1] >= 0.1
        for axis in (panel.xaxis, panel.yaxis):
            labels = [axis.get_major_formatter()(value) for value in axis.get_majorticklocs()]
            shown = [v for v in axis.get_majorticklocs() if axis.get_view_interval()[0] <= v]
            assert min(shown) >= 0
            assert not any("." in label for label in labels)


def test_a_study_without_amps_says_so(summary):
    assert "does not compare" in pair_verdict({**summary, "paired": []})


def test_curves_hold_points_of_the_same_items(summary):
    sizes = {(r["model"], r["target"], r["n"]) for r in summary["sweep"]}
    assert len(sizes) == 4
    assert {r["strength"] for r in summary["sweep"] if r["method"] == "amps"} == {1.0, 2.0}


def test_a_shared_best_rate_does_not_stand_out(summary):
    rows = [{**r, "following": 0.5} for r in summary["rows"]]
    tables = following_tables({**summary, "rows": rows})
    assert not any(cell.best for table in tables for line in table.lines for cell in (*line.cells, line.total))


def test_paired_lines(summary):
    first = paired_table(summary, [("amps", "l2s")])[0]
    assert (first.difference, first.split, first.p, first.decided) == ("+30.0", "18 : 0", "< 0.001", True)


def test_differences_at_equal_strength(summary):
    strengths, lines = equal_strength_table(summary)
    assert strengths == [f"{r['strength']:g}" for r in summary["equal_strength"][: len(strengths)]]
    first, cells = summary["equal_strength"][0], lines[0].cells
    assert (lines[0].pair, cells[0].text) == ("AMPS − L2S", points(first["difference"]))
    assert len(cells) == len(strengths)
    assert cells[0].note.endswith(f"n = {first['n']}")


def test_numbers_are_written_for_readers():
    assert (points(0.051), points(-0.02), points(-0.0001)) == ("+5.1", "−2.0", "0.0")
    assert (p_value(0.0004), p_value(0.04), p_value(1.0)) == ("< 0.001", "0.040", "1")


def test_receipts_are_added_up_and_name_their_methods(provenance, summary):
    first = receipt_table(provenance, summary)[0]
    assert (first["rows"], first["generated_positions"], first["relative_change"]) == ("120", "122", "0.50")
    assert "AMPS (image)" in first["methods"]


def test_summaries_of_the_versions_before_have_the_same_report(run):
    summary = json.loads((run / "summary.json").read_text()) | {"contribution_method": "mcs"}
    (run / "summary.json").write_text(json.dumps(summary))
    today = write_report(run).read_bytes()
    del summary["contribution_method"]
    (run / "summary.json").write_text(json.dumps({**summary, "schema_version": 4}))
    assert write_report(run).read_bytes() == today
    assert summary.pop("kind") == "steering"
    del summary["modalities"]
    for row in (*summary["rows"], *summary["sweep"]):
        row["opposite"] = row.pop("others")
    (run / "summary.json").write_text(json.dumps({**summary, "schema_version": 3}))
    assert write_report(run).read_bytes() == today


def test_the_table_of_oracles_says_what_it_could_show(run, summary):
    report = write_report(run).read_text()
    part = report.partition("What a perfect choice of strength would reach")[2].partition("</section>")[0]
    assert f"With {min(r['n'] for r in summary['oracle'])} items and" in part


def test_what_was_measured_is_said_for_what_it_is(run):
    assert "Which modality the answers rely on" in write_report(run).read_text()
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "contribution_method": "mcs"}))
    report = write_report(run).read_text()
    assert "reacts to noise" in report
    assert "Which modality" not in report


def test_items_of_other_modalities_have_figures_of_their_own(run):
    summary = json.loads((run / "summary.json").read_text())
    heard = [
        {name: value for name, value in row.items() if not name.startswith("ratio")}
        | {f"share_{own}{end}": 0.5 for own in ("image", "audio") for end in ("", "_low", "_high")}
        for row in summary["contribution"]
    ]
    (run / "summary.json").write_text(json.dumps({**summary, "contribution": [*summary["contribution"], *heard]}))
    report = write_report(run).read_text()
    assert "The share in items of image and audio." in report
    assert "60 test items for each instruction" in report
    figures = {path.stem for path in (run / "figures").iterdir() if path.stem.startswith("contribution")}
    assert {
        "contribution-of-image-text",
        *(f"contribution-share_{m}-of-image-audio" for m in ("image", "audio")),
    } <= figures


def test_what_is_no_finished_study_is_refused(tmp_path, run):
    with pytest.raises(RunFolderError, match="finished study"):
        write_report(tmp_path / "nowhere")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**summary, "schema_version": 99}))
    with pytest.raises(RunFolderError, match="schema version"):
        write_report(run)
