"""``trimtab view``: look at run folders in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.browsing import open_page
from trimtab.cli.console import print_json, print_line, remark, warn
from trimtab.cli.options import Images, Json


def view(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that holds run folders, or one of them.")],
    data: Annotated[
        str | None,
        typer.Option(help="Where the items are, to show their questions and pictures; bundled ones are known."),
    ] = None,
    images: Images = None,
    host: Annotated[
        str, typer.Option(help="Address of this machine to listen on; any but 127.0.0.1 lets others read the runs.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8713,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser; print the address alone.")] = False,
    json: Json = False,
) -> None:
    """Look at runs in a browser: their reports, single answers with pictures, and two runs side by side.

    It serves until Ctrl-C, to this machine alone. It only reads.
    """
    from trimtab.cli.inputs import load_items
    from trimtab.errors import UsageError
    from trimtab.viewing import Pages, Server, Site
    from trimtab.viewing.evidence import EvidenceOf
    from trimtab.viewing.folders import RunFolders

    runs = RunFolders(folder)
    if images is not None and data is None:
        raise UsageError("`--images` of view must come with `--data`, whose pictures they are; give both or neither.")
    items = [] if data is None else load_items(data, images=images)
    with Server(Site(Pages(runs, EvidenceOf(items))), host, port, _tell) as server:
        if json:
            print_json({"address": server.address, "folder": str(runs.root), "runs": len(runs.all())})
        else:
            count = len(runs.all())
            print_line(f"{count} {'run' if count == 1 else 'runs'} of {runs.root}: {server.address}")
            remark("Ctrl-C stops it.")
        open_page(server.address, wanted=not no_open)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            remark("Stopped.")


def _tell(traceback: str) -> None:
    for line in traceback.rstrip().split("\n"):
        warn(line)
