"""Texts that do not answer the question: unrelated, misleading, or on the topic and beside the point."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from trimtab.interference.perturbations.base import Draw, Kind, names_answer, register
from trimtab.interference.perturbations.sentences import DILUTING, MISLEADING, UNRELATED
from trimtab.interference.views import View
from trimtab.modalities import Modality

SENTENCES = 3
"""Sentences of an unrelated text; the paper's code joins ten, which drowns a short question."""
FIELDS = 6
"""Fields of a made-up form."""


@dataclass(frozen=True)
class UnrelatedText:
    """True sentences of general knowledge, of which none names the right answer."""

    name: str = "unrelated_text"
    modality: Modality = "text"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View:
        """Add the sentences."""
        return _added(view, _some(UNRELATED, SENTENCES, view, draw), None)


@dataclass(frozen=True)
class OptionText:
    """A text about a wrong option, made of templates.

    Attributes:
        templates: Sentences with a place for the option, ``{o}``.
    """

    name: str
    templates: tuple[str, ...]
    modality: Modality = "text"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Add two sentences about a wrong option; None if each one's name holds the right answer ("hot dog")."""
        wrong = [o for o in view.item.choices if o != view.item.answer]
        usable = [o for o in wrong if not names_answer(o, view.item)]
        if not usable:
            return None
        option = draw.rng.choice(usable)
        claims = [template.format(o=option) for template in self.templates]
        return _added(view, _some(claims, 2, view, draw), option)


@dataclass(frozen=True)
class OwnText:
    """The context that the data set itself puts beside an item whose image is relevant."""

    name: str = "own_text"
    modality: Modality = "text"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Add the item's own context; None if it has none or, badly made, one that names the right answer."""
        item = view.item
        if not item.context or names_answer(item.context, item):
            return None
        named = item.answer_text if item.answer_text in item.choices and item.answer_text != item.answer else None
        return _added(view, item.context, named)


@dataclass(frozen=True)
class FormText:
    """Fields of a form as a text recogniser would read them off a scan."""

    name: str = "form_text"
    modality: Modality = "text"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View:
        """Add the fields."""
        fields = [f"{label}: {_value(shape, draw.rng)}" for label, shape in _FIELDS]
        return _added(view, _some(fields, FIELDS, view, draw), None)


# In a shape, 0 stands for any digit and X for any capital letter.
_FIELDS = (
    ("INVOICE NO", "XX-00000"),
    ("DATE", "00/00/19"),
    ("TEL", "(000) 000-0000"),
    ("FAX", "000-0000"),
    ("REF", "X0000"),
    ("QTY", "00"),
    ("TOTAL", "000.00"),
    ("DEPT", "XXX"),
    ("APPROVED BY", "X.X."),
    ("ACCOUNT", "0000-0000-00"),
    ("TAX ID", "00-0000000"),
    ("BOX", "0000"),
    ("ZIP", "00000"),
    ("SIGNED", "X. XXXX"),
)


def _value(shape: str, rng: random.Random) -> str:
    return "".join({"0": str(rng.randint(0, 9)), "X": rng.choice("ABCDEFGHKLMNPRST")}.get(c, c) for c in shape)


def _some(texts: Sequence[str], n: int, view: View, draw: Draw) -> str:
    """Join some texts in random order, none of which names the right answer."""
    shuffled = draw.rng.sample(list(texts), len(texts))
    return " ".join(islice((text for text in shuffled if not names_answer(text, view.item)), n))


def _added(view: View, text: str, named: str | None) -> View:
    """Put a text before what the context holds already."""
    return replace(
        view, context=f"{text} {view.context}" if view.context else text, named=named if named else view.named
    )


TEXTS = tuple(
    register(kind)
    for kind in (
        UnrelatedText(),
        OptionText("misleading_text", MISLEADING),
        OptionText("dilution_text", DILUTING),
        OwnText(),
        FormText(),
    )
)
