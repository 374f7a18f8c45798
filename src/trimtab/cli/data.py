"""``trimtab data``: which items there are, and what they look like."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars, remark
from trimtab.cli.early import check_out_file
from trimtab.cli.inputs import load_items
from trimtab.cli.options import DataSource, Images, Json, Seed, SkipMissing, Split
from trimtab.cli.reading import Reading, reads
from trimtab.errors import UsageError
from trimtab.modalities import PAIR, in_order

if TYPE_CHECKING:
    from trimtab.items import Item, Items

data_app = typer.Typer(no_args_is_help=True, help="List, show, split and export items.")
SHEET_ITEMS = 16
POCKET_LICENCE = "cc-by-sa-4.0"
"""Of the pictures of the bundled benchmark."""


@data_app.command("list", epilog="Example: trimtab data list")
def list_data(json: Json = False) -> None:
    """List the bundled benchmark's splits."""
    from trimtab.items import read_items
    from trimtab.items.readers.pocket import POCKET_SOURCES, POCKET_SPLITS

    names = [f"{source}:{split}" for source in POCKET_SOURCES for split in POCKET_SPLITS]
    counts = {name: Counter(item.task for item in read_items(name)) for name in names}
    if json:
        print_json({name: {"items": tasks.total(), "tasks": tasks} for name, tasks in counts.items()})
        return
    print_table(
        "Bundled benchmark",
        ["source", "items", "tasks"],
        [[name, str(tasks.total()), str(len(tasks))] for name, tasks in counts.items()],
    )


@data_app.command("show", epilog="Example: trimtab data show pocket-mc2:test")
def show_data(
    data: DataSource,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    json: Json = False,
) -> None:
    """Count the items of each task, list skipped rows with reasons, and show one item of each task."""
    from trimtab.items.item import MediumMissing

    items = load_items(data, split=split, images=images, skip_missing=True)  # they are listed
    tasks = Counter(item.task for item in items)
    examples = {task: next(item for item in items if item.task == task) for task in sorted(tasks)}
    if json:
        print_json(
            {
                "items": len(items),
                "tasks": tasks,
                "splits": _splits(items),
                "skipped": [{"row": s.row, "reason": s.reason} for s in items.skipped],
                "examples": [_words(item) for item in examples.values()],
            }
        )
        return
    shown = in_order(name for item in items for name in item.modalities)
    print_table(
        f"{data}: {len(items)} items, {len(items.skipped)} skipped",
        ["task", "an example's question", *(f"answer by the {name}" for name in shown), "items"],
        [[t, i.question, *map(i.answer_of, shown), str(tasks[t])] for t, i in examples.items()],
        left=2 + len(shown),
    )
    for skipped in items.skipped:
        print_line(f"row {skipped.row}: {skipped.reason}")
    if not skip_missing and any(isinstance(one, MediumMissing) for one in items.skipped):
        remark("Other verbs stop where a picture, sound or clip is missing; --skip-missing leaves its row out.")
    if split is None:
        named = ", ".join(f"{count} {name}" for name, count in _splits(items).items())
        print_line(f"Splits: {named or 'none named'}")


def _splits(items: Items) -> dict[str, int]:
    """Count the items of each split that a source names."""
    return dict(Counter(item.split for item in items if item.split))


@data_app.command("check", epilog="Example: trimtab data check pocket-mc2:test")
def check_data(
    data: DataSource,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    json: Json = False,
) -> None:
    """Open every picture, sound and clip, try every answer, and say what is wrong before hours are spent."""
    from trimtab.items import inspect_items

    items = load_items(data, split=split, images=images, skip_missing=True)  # they are a finding among others
    with progress_bars() as bars:
        found = inspect_items(items, bars, skip_missing=skip_missing)
    wrong = sum(one.wrong for one in found)
    verdict = "nothing is wrong" if not wrong else "1 kind of fault" if wrong == 1 else f"{wrong} kinds of fault"
    if json:
        print_json({"items": len(items), "sound": not wrong, "findings": [asdict(one) for one in found]})
    else:
        rows = [["mend" if one.wrong else "note", str(one.count), one.what, one.example] for one in found]
        if rows:
            print_table(f"{data}: {len(items)} items", ["", "how many", "what", "the first"], rows, left=4)
        print_line(f"{len(items)} items, {verdict}.")
    if wrong:
        raise typer.Exit(1)


@data_app.command("export", epilog="Example: trimtab data export pocket-mc2:test samples.png --limit 16")
@reads
def export_data(
    data: DataSource,
    path: Annotated[Path, typer.Argument(help="A .png sheet of samples, or a .jsonl or .parquet file.")],
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write items with their pictures to a file, or a page of samples as a picture."""
    if path.suffix.lower() not in (".png", ".jsonl", ".parquet"):
        raise UsageError(f"`PATH` of data export must end in .png, .jsonl or .parquet; got {str(path)!r}.")
    check_out_file(path, "PATH", data=data)
    sheet = path.suffix.lower() == ".png"
    if sheet and reading.limit is None:
        reading = replace(reading, limit=SHEET_ITEMS)
    items = reading.items(data, seed)
    if sheet:
        _write_sheet(items, path)
    else:
        from trimtab.items import write_items

        write_items(items, path)
    if json:
        print_json({"path": str(path), "items": len(items), "skipped": len(items.skipped)})
    else:
        print_line(f"{len(items)} items: {path}")


@data_app.command("split", epilog="Example: trimtab data split own.jsonl own-split.jsonl --seed 1")
def split_data(
    data: DataSource,
    path: Annotated[Path, typer.Argument(help="The .jsonl or .parquet file to write.")],
    train_share: Annotated[float, typer.Option(help="Share of the items for training.")] = 0.6,
    validation_share: Annotated[float, typer.Option(help="Share for validation: choosing layers and strengths.")] = 0.2,
    test_share: Annotated[float, typer.Option(help="Share for the test.")] = 0.2,
    images: Images = None,
    skip_missing: SkipMissing = False,
    anew: Annotated[bool, typer.Option("--anew", help="Assign items anew that name a split already.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Assign a split to every item and write them to a file; no picture, sound or clip is in two splits."""
    from trimtab.items import split_items, write_items

    if path.suffix.lower() not in (".jsonl", ".parquet"):
        raise UsageError(f"`PATH` of data split must end in .jsonl or .parquet; got {str(path)!r}.")
    check_out_file(path, "PATH", data=data)
    shares = {"train": train_share, "validation": validation_share, "test": test_share}
    items = load_items(data, images=images, skip_missing=skip_missing)
    if not anew and (named := _splits(items)):
        raise UsageError(
            f"`DATA` of data split must name no splits; {data} has "
            f"{', '.join(f'{count} {name}' for name, count in named.items())}; use them as "
            f"{data}:{next(iter(named))}, or give --anew to assign all items again."
        )
    made = split_items(items, {name: share for name, share in shares.items() if share}, seed)
    write_items([item for part in made.values() for item in part], path)
    sizes = {name: len(part) for name, part in made.items()}
    if json:
        print_json({"path": str(path), "items": len(items), "skipped": len(items.skipped), "splits": sizes})
        return
    print_line(f"{', '.join(f'{size} {name}' for name, size in sizes.items())}: {path}")
    print_line(f"Use one of them as {path}:{next(iter(sizes))}")


@data_app.command("push", epilog="Example: trimtab data push pocket-mc2:test my-name/pocket-mc2 --licence cc-by-sa-4.0")
@reads
def push_data(
    data: DataSource,
    repo: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub; it is made if there is none.")],
    licence: Annotated[
        str, typer.Option(help="As the Hub names it, such as cc-by-4.0; the bundled data's is known.")
    ] = "",
    private: Annotated[bool, typer.Option("--private", help="Make it private.")] = False,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Put items with their pictures on the Hugging Face Hub as Parquet, with a card that names the licence."""
    from trimtab.integrations.cards import POCKET_NOTICE
    from trimtab.integrations.hub import push_items
    from trimtab.items.readers.pocket import POCKET_SOURCES

    name = data.split(":")[0]
    ours = name in POCKET_SOURCES
    if not ours and not licence:
        raise UsageError(f"`--licence` of data push must say under which licence {data} may be used; give it.")
    if ours and licence not in ("", POCKET_LICENCE):
        raise UsageError(
            f"`--licence` of data push must be {POCKET_LICENCE} for {name}, as its pictures are; got {licence!r}."
        )
    items = reading.items(data, seed)
    notice = POCKET_NOTICE if ours else ""
    address = push_items(
        items, repo, title=Path(name).stem, licence=licence or POCKET_LICENCE, notice=notice, private=private
    )
    if json:
        print_json({"items": len(items), "skipped": len(items.skipped), "address": address})
    else:
        print_line(f"{len(items)} items: {address}")


def _write_sheet(items: list[Item], path: Path) -> None:
    from trimtab.files import write_whole
    from trimtab.report import sample_sheet

    figure = sample_sheet(items)
    write_whole(path, lambda part: figure.savefig(part, format="png", dpi=110))


def _words(item: Item) -> dict[str, str]:
    return {
        "id": item.id,
        "task": item.task,
        "question": item.question,
        "context": item.context,
        **{f"answer_{name}": item.answer_of(name) for name in in_order((*PAIR, *item.modalities))},
    }
