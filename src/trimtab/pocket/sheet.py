"""A page of samples: each picture with its question, its text and both answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from trimtab.errors import UsageError
from trimtab.pocket.benchmark import PocketItem
from trimtab.pocket.scene import SIDE

_COLUMNS, _MARGIN, _LINE = 4, 12, 15
_CELL_WIDTH, _TEXT_LINES = 300, 7
_PICTURE = SIDE * 3 // 2
_CELL_HEIGHT = _PICTURE + _LINE * _TEXT_LINES + 2 * _MARGIN
_INK = {"plain": (30, 30, 30), "soft": (105, 105, 105), "image": (20, 90, 170), "text": (170, 70, 20)}


def sample_sheet(items: Sequence[PocketItem]) -> Image.Image:
    """Draw items as one page, four a row.

    Args:
        items: The items to show; a dozen or two fit a screen.

    Returns:
        An RGB picture.
    """
    if not items:
        raise UsageError("`items` of sample_sheet must hold at least one item; got none.")
    rows = -(-len(items) // _COLUMNS)
    page = Image.new("RGB", (_CELL_WIDTH * _COLUMNS, _CELL_HEIGHT * rows), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    for number, item in enumerate(items):
        row, column = divmod(number, _COLUMNS)
        _draw_cell(page, draw, item, column * _CELL_WIDTH + _MARGIN, row * _CELL_HEIGHT + _MARGIN)
    return page


def _draw_cell(page: Image.Image, draw: ImageDraw.ImageDraw, item: PocketItem, x: int, y: int) -> None:
    picture = item.scene.render().resize((_PICTURE, _PICTURE), Image.Resampling.LANCZOS)
    page.paste(picture, (x, y))
    beside = x + _PICTURE + 8
    blocks = (
        (0, "soft", item.task.replace("_", "\n")),
        (45, "image", f"image:\n{item.answer_image or '(nothing)'}"),
        (95, "text", f"text:\n{item.answer_text}"),
    )
    for offset, ink, words in blocks:
        draw.multiline_text((beside, y + offset), words, fill=_INK[ink], font=_font())
    lines = [*textwrap.wrap(item.question, 48), *textwrap.wrap(item.context, 50)]
    asked = len(textwrap.wrap(item.question, 48))
    for place, line in enumerate(lines[: _TEXT_LINES - 1]):
        ink = _INK["plain"] if place < asked else _INK["soft"]
        draw.text((x, y + _PICTURE + 6 + place * _LINE), line, fill=ink, font=_font())


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(11)
