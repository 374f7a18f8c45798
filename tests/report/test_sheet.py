import io

import pytest

from trimtab.errors import UsageError
from trimtab.items import Item, MediaBytes
from trimtab.report import sample_sheet
from trimtab.testing import picture


def test_a_sheet_shows_every_item():
    buffer = io.BytesIO()
    picture().save(buffer, format="PNG")
    items = [
        Item(
            f"i{k}",
            "color",
            f"Question {k}?",
            context="A context.",
            answer_image="red",
            answer_text="blue",
            image=MediaBytes(buffer.getvalue()),
        )
        for k in range(5)
    ]
    words = [text.get_text() for panel in sample_sheet(items).axes for text in panel.texts]
    assert [w for w in words if w.startswith("Question")] == [f"Question {k}?" for k in range(5)]
    assert words.count("image: red") == 5
    with pytest.raises(UsageError):
        sample_sheet([])
