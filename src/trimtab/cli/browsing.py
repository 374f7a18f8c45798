"""Opens a page in the browser of whoever sits at this machine."""

from __future__ import annotations

import os
import sys
import webbrowser

from trimtab.cli.console import at_a_terminal


def open_page(address: str, *, wanted: bool) -> None:
    """Hand on what was printed before a server begins, and open its page if that is wanted and there is a window."""
    sys.stdout.flush()
    if wanted and _has_a_window():
        webbrowser.open(address)


def _has_a_window() -> bool:
    """Whether a browser would have a window of its own; one in this terminal would be in the way."""
    window = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    return bool(window) and at_a_terminal()
