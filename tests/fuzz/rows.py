"""Rows that are wrong in every way we could think of, and files damaged at random.

``python -m tests.fuzz.rows --n 1000`` writes so many rows of each format, reads them and asks tiny models
whether they take what was read. Nothing but a ``TrimtabError`` may come out, and every row must be counted.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trimtab.errors import TrimtabError
from trimtab.items import Items, read_items

PICTURE = "a.png"
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**30, 1.0, 1e308, float("nan"), float("inf"), [], {}, [None], [1], {"a": 1}),
    *("", " ", "\0", "a\0b", "\ud800", "x\udfff", "\u2028", "\x1b[31m", "[/bold]", "\u202e", "\N{PILE OF POO}" * 30),
    *("<|image_pad|>", "<|im_end|>", "</s>", "<image>", "word " * 900, "x" * 1_000_001, "https://a.b/c.png"),
    *(
        "../" * 40,
        "/dev/zero",
        ".",
        PICTURE,
        "image",
        "text",
        "both",
        ["a", "b"],
        "e\u0301" * 50,
        "\N{CJK UNIFIED IDEOGRAPH-7EA2}",
    ),
)
"""What any field may hold."""

ENDS = (b"\n", b"\r\n", b"\n\n", b"\n \n", b"\r", b"\n\xef\xbb\xbf")
"""What may stand between lines: breaks of three sorts, blank lines, the byte order mark of a file put in."""


class Counts(NamedTuple):
    """What became of a file's rows; all are 0 if the whole file was refused, with the reason."""

    rows: int
    read: int
    skipped: int
    refused: str = ""


def good_row(number: int, rng: random.Random) -> dict[str, Any]:
    """A sound row."""
    row = {
        "id": f"row-{number}",
        "task": rng.choice(("color", "counting")),
        "question": "What is in the picture?",
        "context": "A dog sleeps on the sofa.",
        "answer_image": "cat",
        "answer_text": "dog",
    }
    if rng.random() < 0.5:
        row["image"] = PICTURE
    return row


def bad_row(number: int, rng: random.Random) -> dict[str, Any]:
    """A row with a field or two that hold anything, are missing, misspelt, or those of another row."""
    row: dict[str, Any] = good_row(number, rng)
    for _ in range(rng.choice((1, 1, 2, 4))):
        name = rng.choice((*row, "image", "split", "aliases_image", "choices", "tags", "relevant", "answer", "own"))
        match rng.randrange(5):
            case 0:
                row.pop(name, None)
            case 1:
                row[name[:-1] + "x"] = row.pop(name, "a")
            case 2 if number:
                row["id"] = f"row-{rng.randrange(number)}"
            case _:
                row[name] = rng.choice(VALUES)
    return row


def bad_line(number: int, rng: random.Random) -> bytes:
    """A line of JSON Lines that is wrong as a row, as JSON, or as text; never with a line break in it."""
    line = json.dumps(bad_row(number, rng), ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    match rng.randrange(8):
        case 0:
            line = line[: rng.randrange(1, len(line))]
        case 1:
            line = flipped(line, rng, rng.choice((1, 3, 30)))
        case 2:
            line = line.replace(b'"id"', b'"task": "a", "id"', 1)
        case 3:
            line = rng.choice((b"[" * 5000, b'{"id":' * 5000, b"null", b"[]", b"3", b"\0", b'"text"', b"{}", b"NaN"))
        case 4:
            line = line.replace(b'"id": ', b'"id": ' + b"9" * rng.choice((4300, 4301, 9000)) + b', "own": ', 1)
        case _:
            pass
    return line.replace(b"\n", b" ").replace(b"\r", b" ") or b"x"


def flipped(data: bytes, rng: random.Random, count: int) -> bytes:
    """The same bytes with some exchanged."""
    found = bytearray(data)
    for _ in range(count):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def jsonl(folder: Path, n: int, rng: random.Random) -> tuple[Path, int]:
    """A file with ``n`` rows, with blank lines, byte order marks and three sorts of line ends between them."""
    path, parts = folder / "fuzz.jsonl", []
    for number in range(n):
        sound = rng.random() < 0.4
        line = json.dumps(good_row(number, rng)).encode() if sound else bad_line(number, rng)
        blank = not line.decode("utf-8", "replace").strip().strip("\ufeff")
        parts.append((b"x" if blank else line) + rng.choice(ENDS))
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(parts))
    return path, n


def parquet(folder: Path, n: int, rng: random.Random) -> tuple[Path, int]:
    """A file with ``n`` rows; strings hold bytes that are no UTF-8, and pictures are paths, bytes, pairs or junk."""
    rows = [good_row(k, rng) if rng.random() < 0.4 else bad_row(k, rng) for k in range(n)]
    columns: dict[str, pa.Array] = {}
    for name in ("id", "task", "question", "context", "answer_image", "answer_text", "split", "relevant"):
        columns[name] = strings([_bytes(row.get(name), rng) for row in rows])
    for name in ("aliases_image", "choices", "tags"):
        lists = [[str(v).encode("utf-8", "replace").decode()] if (v := row.get(name)) else None for row in rows]
        columns[name] = pa.array(lists, pa.list_(pa.string()))
    picture = (folder / PICTURE).read_bytes()
    pictures = [rng.choice((None, picture, picture[:40], b"", flipped(picture, rng, 3))) for _ in rows]
    columns["image"] = pa.array(
        [{"bytes": data, "path": rng.choice((None, PICTURE, "", "x" * 5000))} for data in pictures]
    )
    columns["when"] = pa.array([rng.randrange(-(2**62), 2**62) for _ in rows], pa.timestamp("us"))
    path = folder / "fuzz.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=max(1, n // 4))
    return path, n


def strings(values: list[bytes | None]) -> pa.Array:
    """A column of strings that need not be UTF-8."""
    return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())


def _bytes(value: Any, rng: random.Random) -> bytes | None:
    if value is None:
        return None
    data = (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogatepass")
    return flipped(data, rng, 1) if data and rng.random() < 0.05 else data


def mc2(folder: Path, n: int, rng: random.Random) -> tuple[Path, int]:
    """A file with ``n`` records, in both schemas."""
    records = []
    for number in range(n):
        record: Any = {
            "image_id": f"{number:012d}",
            "task": "color",
            "question": "What colour is it?",
            "context": "It is blue." if number % 2 else {"icc": "It is blue."},
            "answer_vision": "red",
            "answer_text": "blue",
        }
        if rng.random() < 0.6:
            record[rng.choice(list(record))] = rng.choice(VALUES)
        records.append(rng.choice(VALUES) if rng.random() < 0.05 else record)
    path = folder / "fuzz.json"
    text = json.dumps(records).replace('"color"', "9" * 5000, n // 20).replace('"task":', '"question": "a", "task":', 3)
    path.write_bytes(text.encode().replace(b"It is blue.", b"It is \xff blue.", n // 20))
    return path, n


FORMATS: dict[str, Callable[[Path, int, random.Random], tuple[Path, int]]] = {
    "jsonl": jsonl,
    "parquet": parquet,
    "mc2": mc2,
}


def read_fuzzed(kind: str, folder: Path, n: int, seed: int) -> tuple[Items, Counts]:
    """Write a file of a format and read it."""
    Image.new("RGB", (16, 16), "red").save(folder / PICTURE)
    path, rows = FORMATS[kind](folder, n, random.Random(seed))
    items = read_items(path, skip_missing=True)
    return items, Counts(rows, len(items), len(items.skipped))


def read_damaged(kind: str, folder: Path, n: int, seed: int) -> Counts:
    """Write a file of a format, exchange some of its bytes, and read it."""
    rng = random.Random(seed)
    Image.new("RGB", (16, 16), "red").save(folder / PICTURE)
    path, rows = FORMATS[kind](folder, n, rng)
    path.write_bytes(flipped(path.read_bytes(), rng, rng.choice((1, 4, 40))))
    try:
        items = read_items(path, skip_missing=True)
    except TrimtabError as error:
        return Counts(0, 0, 0, str(error))
    return Counts(rows, len(items), len(items.skipped))


def admitted(items: Items) -> Iterator[tuple[str, int, int]]:
    """Ask a tiny model of each family which of the items it takes: family, taken, refused."""
    from trimtab.items.admission import admit_items
    from trimtab.items.prompts import prompt_for
    from trimtab.testing import TINY_FAMILIES, tiny_model

    for family in TINY_FAMILIES:
        found = admit_items(tiny_model(family), items, lambda item: [prompt_for(item)], "`items` of the fuzzer")
        yield family, len(found.items), len(found.skipped)


def main() -> None:
    """Run all of it and print the counts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--n", type=int, default=1000, help="rows of each format")
    options.add_argument("--damaged", type=int, default=300, help="damaged files of each format")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    logging.disable(logging.WARNING)
    for kind in FORMATS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            items, counts = read_fuzzed(kind, folder, given.n, given.seed)
            assert counts.read + counts.skipped == counts.rows, counts
            print(f"{kind}: {counts.rows} rows = {counts.read} read + {counts.skipped} skipped")
            if kind != "mc2":  # whose pictures are not at hand
                for family, taken, refused in admitted(items):
                    assert taken + refused == len(items)
                    print(f"  {family}: {taken} taken + {refused} refused")
            damaged = [read_damaged(kind, folder, 20, given.seed + k) for k in range(given.damaged)]
            whole = sum(bool(c.refused) for c in damaged)
            assert kind == "parquet" or all(c.read + c.skipped > 0 for c in damaged if not c.refused)
            assert kind != "parquet" or all(c.read + c.skipped == c.rows for c in damaged if not c.refused)
            print(f"  damaged files: {len(damaged)} = {len(damaged) - whole} read + {whole} refused")


if __name__ == "__main__":
    main()
