"""What the pages of the browser show."""

import json

import pytest
from pandas import DataFrame, read_parquet

from trimtab.items import Item
from trimtab.studies import holm, paired_difference
from trimtab.testing import picture

from .runs import TASKS, Page, address, answers, counted, refused, shown, site_of, write_run


def links(page: Page, path: str) -> list[str]:
    return [one for one in page.goes_to if one.split("?")[0] == path]


def test_the_list_has_every_run(site):
    page = shown(site, "/")
    assert links(page, "/run") == ["/run?run=deep%2Ftwo", "/run?run=one", "/run?run=stopped"]
    assert "1 step done" in page.text
    assert "3 runs" in page.text
    picked = [(one["name"], one["value"]) for one in page.all("input")]
    assert picked == [("a", "deep/two"), ("b", "deep/two"), ("a", "one"), ("b", "one")]


def test_the_list_of_no_run_says_how_to_make_one(tmp_path):
    assert "trimtab demo makes one" in shown(site_of(tmp_path), "/").text


def test_a_run_itself_can_be_looked_at(folder):
    page = shown(site_of(folder / "one"), "/items", run=".", label="image")
    assert "Answers of one" in page.text
    assert "50 answers" in page.text


def test_a_page_of_a_run_leads_to_what_it_has(folder, site):
    (folder / "one" / "report.html").write_text("<p>all of it</p>")
    page = shown(site, "/run", run="one")
    assert links(page, "/items") == ["/items?run=one&table=items"]
    assert links(page, "/report") == ["/report?run=one"]
    assert "compares no method with no steering" in page.text
    assert "240 rows" in page.text
    assert [one["value"] for one in page.all("option")] == ["deep/two"]
    assert site.answer("/report?run=one").body == b"<p>all of it</p>"


def test_a_run_without_a_report_says_what_writes_it(site):
    assert "trimtab report" in shown(site, "/run", run="one").text
    assert "write it with: trimtab report one" in refused(site, "/report", run="one")


def test_a_stopped_run_says_so(site):
    assert "was stopped, or still runs: 1 of its steps" in shown(site, "/run", run="stopped").text


def test_answers_show_what_a_row_holds(site):
    page = shown(site, "/items", run="one", method="amps", label="image")
    assert "30 answers" in page.text
    assert "following rate 100.0 %, collapse rate 0.0 %" in page.text
    assert "answer 7 of amps mentions the image answer follows the image" in page.text
    assert "method AMPS target image protocol open strength 1 seed 0" in page.text
    assert "ratio 0.117" in page.text  # 7 of 60


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"task": "counting"}, lambda row: row.task == "counting"),
        ({"label": "image"}, lambda row: row.label == "image"),
        ({"collapsed": "yes"}, lambda row: row.collapsed),
        ({"ratio_from": "0.25", "ratio_to": "0,5"}, lambda row: 0.25 <= row.ratio <= 0.5),
        ({"strength": "4", "method": "none"}, lambda row: row.strength == 4 and row.method == "none"),
        ({"chosen": "no", "search": "I5"}, lambda row: not row.chosen and "i5" in row.id),
        ({"label": "nothing like it"}, lambda _row: False),
    ],
)
def test_answers_are_chosen_by(folder, site, asked, holds):
    count = counted(read_parquet(folder / "one" / "items.parquet"), holds)
    assert f"{count} answer" in shown(site, "/items", run="one", **asked).text


def test_answers_are_sorted_and_paged(site):
    first, last = (
        shown(site, "/items", run="one", sort="-ratio", page=page, method="amps", chosen="yes") for page in (1, 2)
    )
    assert [one.split("id=")[1] for one in links(first, "/item")] == [f"i{i}" for i in range(59, 9, -1)]
    assert [one.split("id=")[1] for one in links(last, "/item")] == [f"i{i}" for i in range(9, -1, -1)]
    after = next(one for one in first.all("a") if one.get("rel") == "next")
    assert after["href"] == "/items?run=one&sort=-ratio&page=2&method=amps&chosen=yes"


def test_a_form_keeps_what_was_chosen(site):
    page = shown(site, "/items", run="one", task="counting", ratio_from="0.2")
    assert [one["value"] for one in page.all("option") if "selected" in one] == ["counting"]
    assert [one["value"] for one in page.all("input") if one["name"] == "ratio_from"] == ["0.2"]


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("/run", {"run": "on"}, "`run` must be one of the 3 runs here; got 'on'; did you mean 'one'?"),
        (
            "/items",
            {"run": "one", "table": "controls"},
            "`table` must be one that run 'one' has (items); got",
        ),
        ("/items", {"run": "one", "page": "7"}, "`page` must be a number from 1 to 5; got '7'"),
        ("/items", {"run": "one", "page": "²"}, "`page` must be a number from 1 to 5; got '²'"),
        ("/items", {"run": "one", "ratio_from": "lots"}, "`ratio_from` must be a number, such as 0.5; got 'lots'"),
        ("/items", {"run": "one", "ratio_from": "nan"}, "`ratio_from` must be a number, such as 0.5; got 'nan'"),
        ("/items", {"run": "one", "sort": "prediction"}, "`sort` must be one of id, task,"),
        ("/item", {"run": "one", "id": "i60"}, "`id` must be an item of run 'one'; got 'i60'"),
        ("/compare", {"a": "one", "b": "three"}, "`b` must be one of the 3 runs here; got 'three'"),
        ("/compare", {"a": "one", "b": "stopped"}, "`table` must be one that run 'stopped' has (none)"),
        (
            "/flips",
            {"a": "one", "b": "deep/two", "ca": "[", "cb": "{}"},
            "`ca` must be a condition of its run; got",
        ),
        ("/nowhere", {}, "the address must be one that a page links to; got '/nowhere'"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(site, path, asked, said):
    assert said in refused(site, path, **asked)


def test_a_broken_table_is_said_in_a_sentence(folder, site):
    (folder / "one" / "items.parquet").write_bytes(b"PAR1 and no more")
    assert "items.parquet of run 'one' must be a table that trimtab wrote" in refused(site, "/items", run="one")
    (folder / "one" / "summary.json").write_text("{")
    page = shown(site, "/run", run="one")
    assert "Answers cannot be read" in page.text
    assert "`run` must be the folder of a finished study" in page.text


def test_two_runs_are_compared_as_studies_compare(site):
    """Of 60 items, amps follows the image on 30 in the first run and on 50 in the second."""
    page = shown(site, "/compare", a="one", b="deep/two")
    pairs = [([i < a for i in range(60)], [i < b for i in range(60)]) for a, b in ((20, 22), (30, 50))]
    found = [paired_difference(second, first) for first, second in pairs]
    p = holm([one.p for one in found])
    assert "pocket-qwen, none, open, toward the image 60 33.3" in page.text
    assert "pocket-qwen, AMPS, open, toward the image 60 50.0" in page.text
    assert f"+33.3 +{100 * found[1].low:.1f} to +{100 * found[1].high:.1f}" in page.text
    assert p[0] > 0.05
    assert p[1] < 0.001
    assert "0 lost, 20 won in pocket-qwen, AMPS" in page.text
    assert "Only in deep/two : 1 condition pocket-qwen, L2S, open, toward the image, strength 1" in page.text
    assert [one["class"] for one in page.all("tr") if one] == ["decided"]


def test_items_that_flip_are_listed_with_both_answers(site):
    compare = shown(site, "/compare", a="one", b="deep/two")
    page = Page(site.answer(links(compare, "/flips")[1]).body)
    assert "All that flip (20)" in page.text
    assert "Only the first follows the target (0)" in page.text
    assert len(page.all("article")) == 12
    assert "i30 won first answer 30 of amps follows the text second answer 30 of amps follows the image" in page.text
    lost = shown(site, "/flips", a="deep/two", b="one", way="lost", page=2, **_amps())
    assert len(lost.all("article")) == 8


def _amps() -> dict[str, str]:
    name = json.dumps(["pocket-qwen", "amps", "image", "open"], separators=(",", ":"))
    return {"ca": name, "cb": name}


def test_any_two_conditions_can_be_compared_also_of_one_run(site):
    page = shown(site, "/compare", a="deep/two", b="deep/two")
    names = [str(one["value"]) for one in page.all("option")]
    assert [json.loads(name)[1] for name in names] == 2 * ["amps", "l2s", "none"]
    flips = shown(site, "/flips", a="deep/two", b="deep/two", ca=names[2], cb=names[1])
    assert "the second minus the first is −21.7 points" in flips.text  # 9 and 22 of 60


def test_answers_of_several_seeds_are_no_more_items(tmp_path):
    """Three seeds that agree tell nothing that one does not."""
    for seeds in (1, 3):
        write_run(tmp_path / f"a{seeds}", answers({"amps": 20}, seeds=seeds))
        write_run(tmp_path / f"b{seeds}", answers({"amps": 30}, seeds=seeds))
    one, three = (shown(site_of(tmp_path), "/compare", a=f"a{seeds}", b=f"b{seeds}").text for seeds in (1, 3))
    assert "60 33.3" in one
    assert "60 33.3" in three
    assert "0 lost, 10 won" in one
    assert "0 lost, 10 won" in three
    assert "0.002" in one
    assert "0.002" in three  # two-sided: 2 of 2 ** 10


def diagnosed(model: str, right: int) -> DataFrame:
    """Answers of a diagnosis to 40 items, two about each thing."""
    return DataFrame(
        {"id": f"i{i}", "task": "both", "cluster": f"c{i // 2}", "model": model, "way": "plain", "scoring": "logits"}
        | {"condition": "clean", "prediction": "red", "correct": i < right, "collapsed": False}
        for i in range(40)
    )


def test_items_about_the_same_thing_are_no_independent_evidence(tmp_path):
    write_run(tmp_path / "a", diagnosed("pocket-qwen", 20), kind="interference")
    write_run(tmp_path / "b", diagnosed("pocket-llava", 32), kind="interference")
    page = shown(site_of(tmp_path), "/compare", a="a", b="b")
    assert "The runs differ in their model: pocket-qwen and pocket-llava." in page.text
    assert "plain, logits, clean 40 50.0" in page.text
    assert "0 lost, 12 won" in page.text
    assert "0.031" in page.text  # six clusters flip, the same way: 2 of 2 ** 6


def test_measurements_are_compared_by_what_answers_lean_on(tmp_path):
    for name, most in (("a", 40), ("b", 10)):
        rows = ({"item_id": f"i{i}", "task": "color", "ratio": float(i >= most)} for i in range(40))
        write_run(tmp_path / name, DataFrame(rows), kind="measurement")
    page = shown(site_of(tmp_path), "/compare", a="a", b="b")
    assert "share of answers that lean on the image" in page.text
    assert "all answers 40 0.0" in page.text
    assert "0 lost, 30 won" in page.text


def test_answers_to_controls_are_compared_too(tmp_path):
    for name, right in (("a", 30), ("b", 20)):
        run = write_run(tmp_path / name, answers({"amps": 20}))
        rows = answers({"amps": right}).query("chosen").drop(columns=["task", "label", "ratio", "reason"])
        rows.assign(kind="image_only", right=rows["id"].str[1:].astype(int) < right).to_parquet(
            run / "controls.parquet"
        )
    site = site_of(tmp_path)
    first = shown(site, "/compare", a="a", b="b")
    controls = Page(site.answer(links(first, "/compare")[1]).body)
    assert "The accuracy of each condition" in controls.text
    assert "image_only, pocket-qwen, AMPS, open, toward the image 60 50.0" in controls.text
    assert "10 lost, 0 won" in controls.text


def test_runs_of_two_kinds_are_not_compared(folder, site):
    write_run(folder / "other", diagnosed("pocket-qwen", 20), kind="interference")
    assert "must be of one kind to be compared" in refused(site, "/compare", a="one", b="other")


def test_runs_on_other_data_are_compared_with_a_warning(folder, site):
    write_run(folder / "other", answers({"amps": 30}), data="theirs.jsonl")
    page = shown(site, "/compare", a="one", b="other")
    assert "The two runs name different data, own.jsonl and theirs.jsonl." in page.text


def own_item(number: int) -> Item:
    return Item(
        id=f"i{number}",
        task="color",
        question="What color is the cat?",
        context="The cat is red.",
        answer_image="black",
        answer_text="red",
        image=picture(),
    )


def test_items_that_were_given_are_shown_with_their_pictures(folder):
    site = site_of(folder, [own_item(3)])
    page = shown(site, "/item", run="one", id="i3")
    assert "question What color is the cat? text The cat is red. the image says black the text says red" in page.text
    assert site.answer(address("/picture", run="one", id="i3")).body.startswith(b"\x89PNG")
    assert site.answer(address("/picture", run="one", id="i4")).status == 404
    assert "4 answers" in page.text
    without = shown(site_of(folder), "/item", run="one", id="i3")
    assert "start trimtab view with --data" in without.text


def test_items_of_the_bundled_benchmark_are_known(folder):
    table = answers({"amps": 1}, items=2)
    write_run(folder / "pocket", table.assign(id="test-color-0199"), data="pocket-mc2")
    site = site_of(folder)
    assert "Which color does the car have?" in shown(site, "/item", run="pocket", id="test-color-0199").text
    assert site.answer(address("/picture", run="pocket", id="test-color-0199")).body.startswith(b"\x89PNG")


def test_a_run_that_was_written_again_is_read_again(folder, site):
    assert "240 rows" in shown(site, "/run", run="one").text
    answers({"none": 20}).to_parquet(folder / "one" / "items.parquet", index=False)
    assert "120 rows" in shown(site, "/run", run="one").text
    assert TASKS[0] in shown(site, "/items", run="one").text
