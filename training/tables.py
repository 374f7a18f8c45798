"""Tables of model cards."""

from __future__ import annotations

from training.measure import Share, Shares
from trimtab.pocket import TASKS


def row(label: str, cells: list[object]) -> str:
    """One row of a table."""
    return f"| {label} | " + " | ".join(str(cell) for cell in cells) + " |"


def _other(first: Share, second: Share) -> Share:
    return Share(first.n - first.hits - second.hits, first.n)


def rows(results: dict[str, Shares], columns: list[str]) -> str:
    """A row for each task, and one for all: shares of the named results."""
    return "\n".join(row(task.replace("_", " "), [results[c][task] for c in columns]) for task in (*TASKS, "all"))


def split_rows(results: dict[str, Shares], image: str, text: str) -> str:
    """A row for each task, and one for all: answered as the image has it, as the text has it, and otherwise."""
    lines = []
    for task in (*TASKS, "all"):
        seen, read = results[image][task], results[text][task]
        lines.append(row(task.replace("_", " "), [seen, read, _other(seen, read)]))
    return "\n".join(lines)


def following(results: dict[str, Shares]) -> str:
    """A row for each instruction: answered as the image has it, as the text has it, and otherwise."""
    lines = []
    for target in ("image", "text"):
        seen, read = (results[f"told {target}, answers {m}"]["all"] for m in ("image", "text"))
        lines.append(row(f"follow the {target}", [seen, read, _other(seen, read)]))
    return "\n".join(lines)
