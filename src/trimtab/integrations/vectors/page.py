"""The table of formats in ``docs/exchange.md``, which a test holds to this."""

from __future__ import annotations

from trimtab.integrations.vectors.format import FORMATS


def formats_table() -> str:
    """Return a Markdown table of the formats: what goes out, what comes in, what a file does not say."""
    lines = ["| format | of | out | in | positions | layers | its files do not say |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| `{one.name}` | {one.title} | {'yes' if one.writes else 'no'} | {one.looks} | "
        f"{' or '.join(f'`{where}`' for where in one.says)} | from {one.first_layer} on | {'; '.join(one.unsaid)} |"
        for one in FORMATS.values()
    ]
    return "\n".join(lines)
