"""Write the page of what the bundled models know: every answer of the data that they were trained on, by task.

python -m benchmarks.pocket_words [--out docs/pocket_words.md]
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

from benchmarks.pages import table

from trimtab.files import write_whole
from trimtab.items import Item, read_items

SOURCE = "pocket-mc2:train"
HEAD = """# What the bundled models know

pocket-qwen and pocket-llava were trained on drawn scenes alone. These are all answers of the bundled training items
({source}), {count} in all. A picture of anything else they call by one of these, and other words of a text they may not
know. So try items of your own on them with these answers, or take another model. [The design](design.md#8-pocket) says
what they can show.

    python -m benchmarks.pocket_words

"""


def words_of(items: list[Item]) -> dict[str, list[str]]:
    """Return the answers of items by task, in alphabetical order."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in items:
        found[item.task].update(filter(None, map(item.answer_of, item.modalities)))
    return {task: sorted(found[task]) for task in sorted(found)}


def write_page(out: Path) -> Path:
    """Write the page and return where it is."""
    items = read_items(SOURCE)
    by_task = words_of(items)
    asked = {item.task: item.question for item in reversed(items)}
    count = len({word for own in by_task.values() for word in own})
    rows = [(task, asked[task], len(own), ", ".join(own)) for task, own in by_task.items()]
    page = HEAD.format(count=count, source=SOURCE) + table(["task", "a question", "answers", "which"], rows)
    write_whole(out, lambda part: part.write_text(page, encoding="utf-8"))
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/pocket_words.md"))
    print(f"Page: {write_page(parser.parse_args().out)}")
