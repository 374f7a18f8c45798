"""The contract of an engine over workers that have a local engine each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

from trimtab.engine.answers import Answers
from trimtab.engine.capability import Capability
from trimtab.engine.contract import Engine
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import Encoded
from trimtab.engine.fleets import work
from trimtab.engine.fleets.joining import joined_answers, joined_readings
from trimtab.engine.fleets.pieces import neighbours, pieces_of
from trimtab.engine.fleets.workers import Workers
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.row import Row
from trimtab.engine.rows import Rows, as_questions, rows_of
from trimtab.progress import SILENT, Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_HAND = frozenset({Capability.CACHE, Capability.GRADIENTS, Capability.WEIGHTS})
"""What needs the model itself, and so travels to it by ``map``."""


def fleet_of(model: object) -> Fleet | None:
    """Return the fleet that serves a model, to whose workers work that needs the model travels; None for others."""
    return model if isinstance(model, Fleet) else None


class Fleet:
    """Serves a model that each of some workers holds; see ``trimtab.fleet``, which starts one.

    Its sizes, names and number type are those of its workers' models.

    Attributes:
        capabilities: All but those that need the model in hand; that work travels by ``map``.
        piece_tokens: Prompt tokens of a piece, roughly.
    """

    capabilities = frozenset(Capability) - IN_HAND

    def __init__(self, workers: Workers, facts: work.Facts, piece_tokens: int) -> None:
        """Take workers that hold a local engine each, and what all of them say of their model."""
        self._workers, self.piece_tokens = workers, piece_tokens
        self.name, self.fingerprint, self.family_name = facts.name, facts.fingerprint, facts.family_name
        self.n_layers, self.n_heads, self.head_dims = facts.n_layers, facts.n_heads, facts.head_dims
        self.hidden_size, self.vocab_size = facts.hidden_size, facts.vocab_size
        self.precision, self.n_parameters = facts.precision, facts.n_parameters
        self.device, self.modalities = facts.device, facts.modalities

    def __len__(self) -> int:
        return len(self._workers)

    def run(
        self, rows: Rows, read: Read | None = None, *, reuse: bool, batch_size: int | None, progress: Progress
    ) -> Readings:
        """Run rows, a piece on each worker that is free."""
        arguments = read or Read(), reuse, batch_size
        found = joined_readings(self._pieces(work.run, as_questions(rows), arguments, ("read rows", progress)))
        found.receipt.require_hits()
        return found

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
        """Answer rows, a piece on each worker that is free."""
        arguments = max_new_tokens, decoding, reuse, batch_size, keep_broken, first_logits
        pieces = self._pieces(work.generate, as_questions(rows), arguments, ("answer rows", progress))
        found = joined_answers(pieces)
        found.receipt.require_hits()
        return found

    def admit(self, prompts: Sequence[Prompt | Encoded], *, new_tokens: int) -> dict[int, str]:
        """Let workers encode each prompt and embed what it shows."""
        rows = [Row(prompt) for prompt in prompts]
        pieces = self._pieces(work.admit, rows, (new_tokens,), ("look at prompts", SILENT))
        found = {places[row]: reason for places, refused in pieces for row, reason in refused.items()}
        return dict(sorted(found.items()))

    def encode(self, prompt: Prompt) -> Encoded:
        """Let a worker write a prompt as tokens."""
        return self._once(work.encode, prompt)

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text by itself."""
        return self._once(work.tokenize, text)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return self._once(work.detokenize, list(tokens))

    def map(
        self,
        function: Callable[[Engine, Item], Result],
        items: Iterable[Item],
        advance: Callable[[Item], None] | None = None,
    ) -> list[Result]:
        """Call a function with a worker's engine, which can do everything, and each item.

        Args:
            function: A function of a module.
            items: Plain items, one a call.
            advance: Called with each item that is done.
        """
        every = list(items)
        found: dict[int, Result] = {}
        for place, result in self._workers.each(work.call, [(function, item) for item in every]):
            found[place] = result
            if advance:
                advance(every[place])
        return [found[place] for place in range(len(every))]

    def cut(self, tokens: Sequence[int]) -> list[range]:
        """Cut work into pieces of neighbours for ``map``, by the tokens of each; the number of workers does not matter.

        Args:
            tokens: About how many tokens each has; see ``trimtab.engine.tokens_of``.

        Returns:
            The places of each piece.
        """
        return neighbours(tokens, self.piece_tokens)

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _once(self, function: Callable[..., Any], argument: object) -> Any:
        ((_, found),) = self._workers.each(function, [(argument,)])
        return found

    def _pieces(
        self,
        function: Callable[..., Any],
        questions: list[Any],
        arguments: tuple[Any, ...],
        told: tuple[str, Progress],
    ) -> list[tuple[list[int], Any]]:
        """Have the workers do all pieces; return each one's places and what was found, in the pieces' order."""
        pieces = pieces_of(questions, self.piece_tokens)
        calls = [(places, [questions[place] for place in places], *arguments) for places in pieces]
        found: dict[int, Any] = {}
        name, progress = told
        with progress.task(name, sum(len(rows_of(question)) for question in questions)) as advance:
            for number, result in self._workers.each(function, calls):
                found[number] = result
                advance(sum(len(rows_of(questions[place])) for place in pieces[number]))
        return [(places, found[number]) for number, places in enumerate(pieces)]
