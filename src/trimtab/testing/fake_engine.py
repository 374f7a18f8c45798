"""A pretend engine: no model, chosen capabilities, and numbers that follow from the prompt alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from trimtab.engine import (
    Answers,
    Capability,
    Contrast,
    Cost,
    Decoding,
    Encoded,
    Engine,
    Prompt,
    Read,
    Readings,
    Receipt,
    Row,
    Rows,
    as_questions,
    combine,
    rows_of,
)
from trimtab.modalities import PAIR, Modality
from trimtab.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

MEDIUM_TOKENS = 2
"""Positions that any picture, sound or clip takes."""


class FakeEngine:
    """Implements the contract of an engine without a model, to try what runs on which capabilities.

    Equal prompts under equal edits get equal numbers, drawn from a digest of them. A token is a word. Capabilities that
    need a model in this process, ``CACHE``, ``GRADIENTS`` and ``WEIGHTS``, can be claimed but not delivered.

    Attributes:
        calls: Names of the calls of ``run`` and ``generate`` so far.
    """

    def __init__(
        self,
        capabilities: Iterable[Capability] = (),
        *,
        layers: int = 4,
        heads: int = 2,
        head_dim: int = 4,
        vocabulary: int = 64,
        modalities: tuple[Modality, ...] = PAIR,
        name: str = "fake",
    ) -> None:
        """Make an engine.

        Args:
            capabilities: What it can do.
            layers: Decoder blocks.
            heads: Query heads of a layer.
            head_dim: Width of a head; the residual stream is as wide as all heads.
            vocabulary: Number of tokens.
            modalities: What prompts may show or say.
            name: What messages call it.
        """
        self.name, self.n_layers, self.n_heads, self.head_dims = name, layers, heads, (head_dim,) * layers
        self.vocab_size, self.modalities, self.capabilities = vocabulary, modalities, frozenset(capabilities)
        self.hidden_size, self.fingerprint, self.family_name, self.precision = heads * head_dim, name, "fake", "float32"
        self.n_parameters, self.device = None, "nowhere"
        self.calls: list[str] = []
        self._words: dict[int, str] = {}

    def tokenize(self, text: str) -> list[int]:
        """Return a token for each word; equal words have equal tokens."""
        tokens = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) for word in text.split()]
        tokens = [token % self.vocab_size for token in tokens]
        self._words.update(zip(tokens, text.split(), strict=True))
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the words of tokens."""
        return " ".join(self._words.get(token, f"word{token}") for token in tokens)

    def encode(self, prompt: Prompt) -> Encoded:
        """Return a prompt as tokens: what it shows first, then each part of its text."""
        ids: list[int] = []
        spans: dict[str, list[int]] = {}
        for part in prompt.parts():
            own = [0] * MEDIUM_TOKENS if part.kind != "text" else self.tokenize(str(part.content))
            spans.setdefault(part.name, []).extend(range(len(ids), len(ids) + len(own)))
            ids += own
        spans["last"] = [len(ids) - 1]
        places = {name: torch.tensor(found, dtype=torch.long) for name, found in spans.items()}
        return Encoded(torch.tensor(ids), torch.arange(len(ids))[None], places, ())

    def admit(self, prompts: Sequence[Prompt | Encoded], *, new_tokens: int) -> dict[int, str]:
        """Take every prompt."""
        return {}

    def map(self, function: Callable[[Engine, Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function with this engine and each item, in order."""
        return [function(self, item) for item in items]

    def run(
        self, rows: Rows, read: Read | None = None, *, reuse: bool, batch_size: int | None, progress: Progress
    ) -> Readings:
        """Return numbers in the shapes of a model's; see ``trimtab.run``."""
        self._began("run")
        read, questions = read or Read(), as_questions(rows)
        readings = Readings(receipt=_receipt(self, questions), cost=self._cost(questions))
        with progress.task("read rows", len(questions)) as advance:
            if read.logits:
                readings.logits = self._shaped([self._logits(q, read) for q in questions], read)
            for layer in read.hidden:
                states = [self._states(q, read, f"hidden{layer}", self.hidden_size) for q in questions]
                readings.hidden[layer] = self._shaped(states, read)
            for layer in read.heads:
                states = [self._states(q, read, f"heads{layer}", self.hidden_size) for q in questions]
                shape = (self.n_heads, -1)
                readings.heads[layer] = self._shaped([own.unflatten(-1, shape) for own in states], read)
            advance(len(questions))
        return readings

    def generate(
        self,
        rows: Rows,
        *,
        max_new_tokens: int,
        decoding: Decoding,
        reuse: bool,
        batch_size: int | None,
        progress: Progress,
        keep_broken: bool,
        first_logits: bool,
    ) -> Answers:
        """Answer each question by a word of its own text; see ``trimtab.generate``."""
        self._began("generate")
        questions = as_questions(rows)
        answers = Answers(receipt=_receipt(self, questions), cost=self._cost(questions))
        with progress.task("answer rows", len(questions)) as advance:
            for question in questions:
                ids = self._encoded(rows_of(question)[0]).ids
                token = int(ids[int(_draw(question, "answer", 1).abs() * 1e6) % len(ids)])
                answers.tokens.append([token])
                answers.texts.append(self.detokenize([token]))
                answers.finished.append(True)
            advance(len(questions))
        if first_logits:
            answers.first_logits = torch.cat([self._logits(question, Read()) for question in questions])
        return answers

    def _began(self, call: str) -> None:
        self.calls.append(call)

    def _encoded(self, row: Row) -> Encoded:
        return self.encode(row.prompt) if isinstance(row.prompt, Prompt) else row.prompt

    def _logits(self, question: Row | Contrast, read: Read) -> Tensor:
        if isinstance(question, Contrast):
            return combine(torch.cat([self._logits(row, read) for row in question.rows]), [question])
        return self._states(question, read, "logits", self.vocab_size)

    def _states(self, question: Row | Contrast, read: Read, what: str, width: int) -> Tensor:
        """Return numbers at each position read, ``(positions, width)``."""
        (row,) = rows_of(question)
        positions = read.indices(self._encoded(row)).tolist()
        return torch.stack([_draw(question, f"{what} {position}", width) for position in positions])

    @staticmethod
    def _shaped(values: list[Tensor], read: Read) -> Tensor | list[Tensor]:
        return torch.stack([own[0] for own in values]) if read.at == "last" else values

    def _cost(self, questions: Sequence[Row | Contrast]) -> Cost:
        rows = [row for question in questions for row in rows_of(question)]
        tokens = sum(len(self._encoded(row)) for row in rows)
        return Cost(rows=len(rows), passes=len(rows), tokens=tokens, naive_tokens=tokens)


def _receipt(engine: FakeEngine, questions: Sequence[Row | Contrast]) -> Receipt:
    """Return a receipt on which every edit touched one token of each row."""
    receipt = Receipt()
    for question in questions:
        for row in rows_of(question):
            for edit in row.edits:
                for layer in edit.at_layers(engine):
                    entry = receipt.entry(edit.name, layer)
                    entry.rows += 1
                    entry.prompt_positions += 1
                    entry.passes += 1
    return receipt


def _draw(question: Row | Contrast, what: str, size: int) -> Tensor:
    """Return numbers that depend on what is asked and on nothing else, ``(size,)``."""
    told = hashlib.sha256(what.encode())
    for row in rows_of(question):
        told.update(_digest(row))
    generator = torch.Generator().manual_seed(int.from_bytes(told.digest()[:7]))
    return torch.randn(size, generator=generator)


def _medium(medium: Any) -> bytes:
    """Return what tells media apart: a picture's pixels, a fingerprint of anything else."""
    return str(medium.fingerprint).encode() if hasattr(medium, "fingerprint") else medium.tobytes()


def _digest(row: Row) -> bytes:
    told = hashlib.sha256()
    if isinstance(row.prompt, Prompt):
        for part in row.prompt.parts():
            told.update(part.name.encode())
            told.update(str(part.content).encode() if part.kind == "text" else _medium(part.content))
        told.update(str(row.prompt.image_counterfactual).encode())
    else:
        told.update(row.prompt.ids.numpy().tobytes())
    for edit in row.edits:
        told.update(repr((edit.name, getattr(edit, "layer", None), getattr(edit, "strength", None))).encode())
    return told.digest()
