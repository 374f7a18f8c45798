"""What a worker of a fleet does, given its local engine: functions of a module, so that they can travel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from trimtab.engine.answers import Answers
from trimtab.engine.contrast import Contrast
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import Encoded
from trimtab.engine.local import generating, running
from trimtab.engine.local.engine import LocalEngine
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.row import Row
from trimtab.engine.rows import Rows, as_questions, rows_of
from trimtab.errors import NotFiniteError
from trimtab.modalities import Modality
from trimtab.models import load
from trimtab.progress import SILENT


@dataclass(frozen=True)
class Facts:
    """What the contract of an engine says of a model; the same on every worker."""

    name: str
    fingerprint: str
    family_name: str
    n_layers: int
    n_heads: int
    head_dims: tuple[int, ...]
    hidden_size: int
    vocab_size: int
    precision: str
    n_parameters: int
    device: str
    modalities: tuple[Modality, ...]


def local_engine(name: str, options: Mapping[str, Any]) -> LocalEngine:
    """Load a model and return the engine that serves it."""
    return LocalEngine(load(name, **options))


def facts_of(engine: LocalEngine) -> Facts:
    """Return what the engine says of its model."""
    return Facts(**{name: getattr(engine, name) for name in Facts.__dataclass_fields__})


# Each begins with nothing remembered: what a piece finds must not depend on which pieces its worker had before.


def run(
    engine: LocalEngine, places: Sequence[int], rows: Rows, read: Read, reuse: bool, batch_size: int | None
) -> Readings:
    """Read something off a piece's rows; that each edit touches something is for all pieces together to show."""
    engine.model.forget_media()
    with numbered(places):
        return running.run(engine.model, here(engine, rows), read, reuse, batch_size, SILENT)


def generate(
    engine: LocalEngine,
    places: Sequence[int],
    rows: Rows,
    max_new_tokens: int,
    decoding: Decoding,
    reuse: bool,
    batch_size: int | None,
    keep_broken: bool,
    first_logits: bool,
) -> Answers:
    """Answer a piece's rows; see ``run``."""
    engine.model.forget_media()
    model, rows = engine.model, here(engine, rows)
    with numbered(places):
        return generating.generate(
            model, rows, max_new_tokens, decoding, reuse, batch_size, SILENT, keep_broken, first_logits
        )


def admit(engine: LocalEngine, _places: Sequence[int], rows: Sequence[Row], new_tokens: int) -> dict[int, str]:
    """Say which of a piece's prompts the model cannot take."""
    engine.model.forget_media()
    return engine.admit(
        [row.prompt for question in here(engine, rows) for row in rows_of(question)], new_tokens=new_tokens
    )


def here(engine: LocalEngine, rows: Rows) -> list[Row | Contrast]:
    """Return questions with the prompts that came as tokens moved to the model's device."""
    moved: dict[int, Encoded] = {}

    def own(row: Row) -> Row:
        prompt = row.prompt
        if not isinstance(prompt, Encoded):
            return row
        if id(prompt) not in moved:
            moved[id(prompt)] = _moved(prompt, engine.model.device)
        return replace(row, prompt=moved[id(prompt)])

    return [
        replace(question, rows=tuple(map(own, question.rows))) if isinstance(question, Contrast) else own(question)
        for question in as_questions(rows)
    ]


def _moved(prompt: Encoded, device: torch.device) -> Encoded:
    spans = {name: places.to(device) for name, places in prompt.spans.items()}
    blocks = None if prompt.blocks is None else prompt.blocks.to(device)
    return Encoded(prompt.ids.to(device), prompt.positions.to(device), spans, prompt.media, blocks)


@contextmanager
def numbered(places: Sequence[int]) -> Iterator[None]:
    """Let an error name rows by their places among all, not by those in the piece."""
    try:
        yield
    except NotFiniteError as error:
        rows = tuple(places[row] for row in error.rows)
        message = str(error)
        if rows:
            message = message.replace(f"row {error.rows[0]}", f"row {rows[0]}", 1)
        raise NotFiniteError(message, rows) from error


def encode(engine: LocalEngine, prompt: Prompt) -> Encoded:
    """Return a prompt as tokens, on the CPU: whoever asks may have no other device."""
    return _moved(engine.encode(prompt), torch.device("cpu"))


def tokenize(engine: LocalEngine, text: str) -> list[int]:
    """Return the tokens of a text."""
    return engine.tokenize(text)


def detokenize(engine: LocalEngine, tokens: Sequence[int]) -> str:
    """Return the text of tokens."""
    return engine.detokenize(tokens)


def call(engine: LocalEngine, function: Callable[[LocalEngine, Any], Any], item: object) -> object:
    """Call a function with the engine and an item."""
    engine.model.forget_media()
    return function(engine, item)
