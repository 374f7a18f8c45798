"""``trimtab doctor``: is everything here that trimtab needs?"""

from __future__ import annotations

from typing import Any

import typer

from trimtab.cli import early
from trimtab.cli.console import print_json, print_line, print_table
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json


@loads
def doctor(json: Json = False, *, loading: Loading) -> None:
    """Check versions, device and memory, and that the bundled models load and pass their self-check.

    smol-llava is left out where it has not been made yet.
    """
    from trimtab.bundled import BUNDLED, SMOL, present
    from trimtab.studies import hardware, versions

    there = [name for name in BUNDLED if name != SMOL or present(name)]
    for name in there:
        early.check_model(name, loading)
    checks = [{"check": name, "ok": True, "found": found} for name, found in {**versions(), **hardware()}.items()]
    checks += [check_model(name, loading) for name in there]
    healthy = all(check["ok"] for check in checks)
    if json:
        print_json({"ok": healthy, "checks": checks})
    else:
        rows = [[c["check"].replace("_", " "), "ok" if c["ok"] else "FAILED", _text(c["found"])] for c in checks]
        print_table("trimtab doctor", ["", "", "found"], rows, left=3)
        print_line("All is well." if healthy else "Something is wrong; see the lines marked FAILED.")
    if not healthy:
        raise typer.Exit(1)


def check_model(name: str, loading: Loading) -> dict[str, Any]:
    """Load a bundled model, which runs its self-check."""
    from trimtab.cli.inputs import load_model
    from trimtab.errors import TrimtabError

    try:
        model = load_model(name, loading)
    except TrimtabError as error:
        return {"check": name, "ok": False, "found": str(error)}
    return {
        "check": name,
        "ok": True,
        "found": f"self-check passed, fingerprint {model.fingerprint}, on {model.device}",
    }


def _text(found: object) -> str:
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)
