"""``trimtab models matrix``: what is proved of each family, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line, remark
from trimtab.cli.early import check_out_file
from trimtab.cli.options import Json

if TYPE_CHECKING:
    from trimtab.testing.conformance import Outcome


def matrix(
    family: Annotated[
        list[str] | None, typer.Option(help="A family that there is a tiny model of; repeatable; all if left out.")
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file that registers a family and a tiny model of it; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page to write; with --family its other rows are kept.")] = None,
    json: Json = False,
) -> None:
    """Try every job on a tiny model of each family, and say what is proved, what is refused and what fails."""
    from transformers.utils import logging

    from trimtab.testing.conformance import read_page, run_file, try_families, write_page

    logging.disable_progress_bar()  # of the folders that models are saved to

    check_out_file(out)
    for path in file or ():
        run_file(path)
    kept = read_page(out.read_text(encoding="utf-8")) if family and out is not None and out.exists() else {}
    found = {}
    for name, outcomes in try_families(family or None):
        _say(name, outcomes)
        found[name] = outcomes
    if out is not None:
        out.write_text(write_page({**kept, **found}), encoding="utf-8")
    if json:
        print_json({name: {job: asdict(one) for job, one in own.items()} for name, own in found.items()})
    elif out is None:
        print_line(write_page(found))
    if any(one.state == "failed" for own in found.values() for one in own.values()):
        raise typer.Exit(1)


def _say(name: str, outcomes: Mapping[str, Outcome]) -> None:
    proved = sum(one.state == "proved" for one in outcomes.values())
    remark(f"{name}: {proved} of {len(outcomes)} jobs proved")
    for job, one in outcomes.items():
        if one.state != "proved":
            remark(f"  {job}: {one.state}: {one.why}")
