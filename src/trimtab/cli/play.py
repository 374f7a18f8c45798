"""``trimtab play``: a page to ask a model, take its answer apart, and steer it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.browsing import open_page
from trimtab.cli.completing import complete_model
from trimtab.cli.console import print_json, print_line, progress_bars, remark, warn
from trimtab.cli.early import check_artifacts, check_model, check_out_file, check_package
from trimtab.cli.inputs import load_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json

if TYPE_CHECKING:
    from trimtab.models import Model
    from trimtab.studies.kit.artifacts import AnyArtifact

FEW = 32
"""Items that the mean difference is fitted on, so that the page is there in seconds."""


@loads
def play(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="As for measure.", autocompletion=complete_model)
    ] = "pocket-qwen",
    artifact: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of an artifact to steer with; repeatable. Left out: what needs no training, and for bundled "
            "models the mean difference."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A .jsonl file in which visitors can keep test items.")] = None,
    host: Annotated[
        str, typer.Option(help="Address of this machine to listen on; any but 127.0.0.1 lets others ask.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 7860,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser; print the address alone.")] = False,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Ask about a picture and a text in a browser, see what each adds to the answer, and steer it.

    It serves until Ctrl-C, to this machine alone. Nothing leaves the machine.
    """
    from trimtab.studies.kit.length import answer_length

    check_out_file(out, suffix=".jsonl")
    check_artifacts(artifact or [])
    check_model(model, loading)
    check_package("gradio", "play")
    from trimtab.web import Playground
    from trimtab.web.server import LOOPBACK, listen, serve

    with listen(host, port) as door:
        loaded = load_model(model, loading)
        playground = Playground(loaded, _ways(loaded, artifact or []), answer_length([model]), out)
        taken, number = door.getsockname()
        address = f"http://{LOOPBACK if taken == '0.0.0.0' else taken}:{number}/"
        if json:
            print_json({"address": address, "model": loaded.name})
        else:
            print_line(f"{loaded.name} answers at {address}")
            remark("Ctrl-C stops it.")
        if taken != LOOPBACK:
            warn("Everybody in this network can ask, too: there is no password.")
        open_page(address, wanted=not no_open)
        serve(playground, door)
        remark("Stopped.")


def _ways(model: Model, folders: list[Path]) -> list[AnyArtifact]:
    """Load the artifacts, or make some that take seconds."""
    from trimtab.items import read_items
    from trimtab.modalities import PAIR
    from trimtab.pocket import CHECKPOINTS
    from trimtab.steering import Autotrim, Instruction, MeanDifference
    from trimtab.studies.kit.artifacts import load_artifacts

    if folders:
        return load_artifacts(folders, model)
    few = read_items("pocket-mc2:train")[:FEW] if model.name in CHECKPOINTS else []
    with progress_bars() as bars:
        learned = [MeanDifference(target=target).fit(model, few, progress=bars) for target in PAIR if few]
    return [*learned, *(kind(target=target).fit(model) for target in PAIR for kind in (Autotrim, Instruction))]
