"""What the browser must not do: read beyond its folder, run what a run folder says, or talk to anybody else."""

import http.client
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest

from trimtab.errors import UsageError
from trimtab.viewing import Server, Site

from .runs import Page, address, answers, refused, shown, site_of, write_run

SECRET = "a secret beside the runs"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "‮right to left",
    "a&b=c#d%2e%2e?e",
    "new\nline",
]
PATHS = ("/", "/run", "/items", "/item", "/picture", "/report", "/compare", "/flips")


@pytest.fixture
def secret(folder: Path) -> Path:
    """A run beside the folder, with a secret in its report, and a file that is no run."""
    beside = write_run(folder.parent / "beside", answers({"none": 1}).assign(prediction=SECRET))
    (beside / "report.html").write_text(SECRET)
    (folder.parent / "secret.txt").write_text(SECRET)
    return beside


def ways_out(secret: Path) -> list[str]:
    """Names that would lead out of the folder, if anything joined them to a path."""
    out = ["../beside", "one/../../beside", "..", "../", str(secret), f"//{secret}", "one/../../secret.txt", "beside"]
    out += [
        "..\\beside",
        "%2e%2e/beside",
        "..%2fbeside",
        "one\0",
        "one/report.html",
        "./one",
        "one/",
        "~",
        "file:///etc",
    ]
    return out


def test_no_name_leads_out_of_the_folder(site, secret):
    for name in ways_out(secret):
        for path in PATHS[1:]:
            fields = {"run": name, "a": name, "b": name, "table": "items", "id": "i1"}
            assert SECRET not in refused(site, path, **fields), (path, name)
        assert SECRET not in refused(site, "/items", run="one", table=name)
        assert SECRET not in refused(site, f"/{name}")
        assert SECRET not in refused(site, f"/{quote(name, safe='')}")


def test_no_link_leads_out_of_the_folder(folder, secret):
    (folder / "linked").symlink_to(secret)
    shutil.copytree(folder / "one", folder / "three")
    for name in ("items.parquet", "report.html"):
        (folder / "three" / name).unlink(missing_ok=True)
        (folder / "three" / name).symlink_to(secret / name)
    (folder / "four").mkdir()
    for name in ("config.yaml", "summary.json"):
        (folder / "four" / name).symlink_to(secret / name)
    (folder / "three" / "steps").symlink_to(secret.parent)
    site = site_of(folder)
    names = [one["value"] for one in shown(site, "/").all("input") if one["name"] == "a"]
    assert names == ["deep/two", "one"]
    assert "1 step" in shown(site, "/").text
    for path in PATHS[1:]:
        for name in ("linked", "three", "four"):
            answer = site.answer(address(path, run=name, a=name, b="one", id="i1"))
            assert SECRET.encode() not in answer.body, (path, name)
            assert answer.status == (200 if (path, name) == ("/run", "three") else 404), (path, name)


def test_a_link_that_takes_the_place_of_a_run_is_not_followed(folder, site, secret):
    assert "answers" in shown(site, "/items", run="one").text
    shutil.rmtree(folder / "one")
    (folder / "one").symlink_to(secret)
    assert "`run` must be one of the 2 runs here; got 'one'" in refused(site, "/items", run="one")


def test_a_device_is_not_opened(folder):
    for name in ("items.parquet", "report.html"):
        (folder / "one" / name).unlink(missing_ok=True)
        os.mkfifo(folder / "one" / name)
    site = site_of(folder)
    assert "no report" in shown(site, "/run", run="one").text
    assert "has no report" in refused(site, "/report", run="one")


def test_what_a_run_names_as_its_data_is_not_read(folder, secret):
    """Whoever made a run folder does not say what is read on this machine."""
    items = secret.parent / "items.jsonl"
    row = {"id": "i1", "task": "color", "question": SECRET, "answer_image": "a", "answer_text": "b"}
    items.write_text(json.dumps(row))
    write_run(folder / "named", answers({"none": 1}), data=str(items))
    site = site_of(folder)
    assert "does not hold it" in shown(site, "/item", run="named", id="i1").text
    assert SECRET not in shown(site, "/item", run="named", id="i1").text


def test_no_path_is_that_of_a_file(site):
    for path in ("/one/report.html", "/../secret.txt", "/etc/passwd", "/style.css/../..", "//etc/passwd", "/one", "\0"):
        assert site.answer(path).status in (400, 404), path


def hostile_table():
    table = answers({"none": 2, "amps": 3}, items=len(HOSTILE))
    number = table.groupby(["method", "strength"]).cumcount()
    words = [HOSTILE[i] for i in number]
    return table.assign(id=words, task=words, prediction=words, label=words, reason=words, target=words[0], model=words)


def check_harmless(page: Page, where: str) -> None:
    assert {name for name, _ in page.elements} & {"script", "iframe", "object", "embed", "base"} == set(), where
    for name, attributes in page.elements:
        assert not [one for one in attributes if one.startswith("on") or one == "style"], (where, name)
        assert name != "img" or str(attributes["src"]).startswith("/picture?"), where
    assert [one for one in page.goes_to if not (one.startswith("/") or one in ("data:,", "#main"))] == [], where
    assert [one for one in page.goes_to if one.startswith("//")] == [], where


def test_what_a_run_says_is_shown_and_does_nothing(tmp_path):
    """Names of folders, every text of a table and the configuration may be anybody's."""
    for name in HOSTILE:
        run = write_run(tmp_path / "runs" / name.replace("/", "∕"), hostile_table(), data=HOSTILE[0])
        (run / "provenance.json").write_text('{"versions": {"<script>x": "<script>"}, "hardware": {}}')
    site = site_of(tmp_path / "runs")
    names = [str(one["value"]) for one in shown(site, "/").all("input") if one["name"] == "a"]
    assert len(names) == len(HOSTILE)
    seen = set()
    todo = ["/", address("/compare", a=names[0], b=names[1]), *(address("/run", run=name) for name in names)]
    todo += [address("/items", run=names[0], search=word, label=word, sort=word) for word in HOSTILE]
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 150:
            continue
        seen.add(path)
        answer = site.answer(path)
        if answer.kind.startswith("text/html"):
            page = Page(answer.body)
            check_harmless(page, path)
            todo += [one for one in page.goes_to if one.split("?")[0] in ("/item", "/items", "/flips")]
    assert len(seen) > 50
    assert "<script>alert(1)</script>" in shown(site, "/items", run=names[0]).text
    assert "49" not in shown(site, "/items", run=names[0], search="{{ 7").text.split()


def test_long_answers_are_cut_and_pages_stay_small(tmp_path):
    write_run(tmp_path / "long", answers({"none": 2}).assign(prediction="word " * 200_000, reason="x" * 100_000))
    body = site_of(tmp_path).answer("/items?run=long").body
    assert len(body) < 150_000
    assert "(1,000,000 characters)" in Page(body).text


def test_many_fields_are_refused(site):
    assert site.answer("/items?" + "&".join(f"f{i}=1" for i in range(1000))).status == 400
    assert site.answer("/items?run=%ff%fe&table=%00").status == 404
    assert site.answer("http://[bad/items").status == 400


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with Server(site) as found:
        yield found


class Got(NamedTuple):
    status: int
    headers: Message
    text: str


def asked(server: Server, target: str, method: str = "GET", host: str | None = None) -> Got:
    """Ask the server's own handler, over a pair of sockets: no test connects to anything."""
    own, its = socket.socketpair()
    with own, its:
        named = f"127.0.0.1:{server.server_port}" if host is None else host
        own.sendall(f"{method} {target} HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n".encode())
        server.finish_request(its, ("127.0.0.1", 1))
        its.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(own, method=method)
        answer.begin()
        return Got(answer.status, answer.headers, answer.read().decode())


def test_the_server_listens_to_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_a_browser_is_told_to_load_nothing_from_elsewhere(server):
    answer = asked(server, "/")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status == 200
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'")
    assert "script-src" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_report_may_load_nothing_and_run_nothing_of_its_own(server, folder):
    """Reports come with run folders; those of others may hold anything."""
    (folder / "one" / "report.html").write_text("<script src=https://example.com></script>")
    policy = asked(server, "/report?run=one").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert re.search(r"script-src 'sha256-[\w+/]{43}='; ", policy)
    assert policy.endswith("sandbox allow-scripts")
    assert "'self'" not in policy


@pytest.mark.parametrize("name", ["example.com", "example.com:80", "127.0.0.1", "", "127.0.0.1:1"])
def test_a_page_of_another_site_whose_name_leads_here_reads_nothing(server, name):
    answer = asked(server, "/", host=name)
    assert answer.status == 403
    assert "run=one" not in answer.text


def test_only_reading_is_answered(server):
    assert asked(server, "/").status == 200
    assert asked(server, "/", host=f"localhost:{server.server_port}").status == 200
    head = asked(server, "/", "HEAD")
    assert (head.status, head.text) == (200, "")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert asked(server, "/", method).status == 501, method


def test_a_fault_of_ours_is_a_sentence_and_ends_nothing(folder):
    class Broken(Site):
        def answer(self, target: str):
            raise ZeroDivisionError("inside")

    told: list[str] = []
    with Server(Broken(site_of(folder).pages), tell=told.append) as server:
        for _ in range(2):
            answer = asked(server, "/")
            assert answer.status == 500
            assert "inside" not in answer.text
    assert "ZeroDivisionError: inside" in told[0]


def test_a_port_that_is_taken_is_said_in_a_sentence(server, site):
    with pytest.raises(UsageError, match=r"--port` must be an address of this machine and a port that is free"):
        Server(site, port=server.server_port)
    with pytest.raises(UsageError, match="`--host` must be an IPv4 address of this machine"):
        Server(site, host="zz")
