"""What anything must offer that trimtab is to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from trimtab.engine.answers import Answers
from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.rows import Rows
from trimtab.modalities import Modality
from trimtab.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


@runtime_checkable
class Engine(Sizes, Protocol):
    """Runs rows, wherever the model is.

    ``trimtab.run`` and ``trimtab.generate`` refuse what an engine lacks before they call it, so an engine sees only
    rows and reads that its capabilities cover. Its sizes are those of the model's decoder.
    """

    @property
    def fingerprint(self) -> str:
        """Digest of the model's identity; equal for equal models."""
        ...

    @property
    def family_name(self) -> str:
        """The family of the model."""
        ...

    @property
    def vocab_size(self) -> int:
        """Tokens that logits are over."""
        ...

    @property
    def precision(self) -> str:
        """The number type that it computes in, such as ``bfloat16``."""
        ...

    @property
    def n_parameters(self) -> int | None:
        """How many numbers the model has; None where that is not known."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, such as ``cpu`` or ``cuda:0``."""
        ...

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What prompts may show or say, in the table's order."""
        ...

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        ...

    def run(
        self, rows: Rows, read: Read | None = None, *, reuse: bool, batch_size: int | None, progress: Progress
    ) -> Readings:
        """Run rows and read something off; see ``trimtab.run``.

        ``read.top`` is asked only of an engine that cannot read all logits; from those of others it is taken.
        """
        ...

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
        """Answer rows; see ``trimtab.generate``."""
        ...

    def admit(self, prompts: Sequence[Prompt | Encoded], *, new_tokens: int) -> Mapping[int, str]:
        """Say which prompts the model cannot take, and why, by their places."""
        ...

    def encode(self, prompt: Prompt) -> Encoded:
        """Return a prompt as tokens with the places of its parts."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text by itself, without any that the tokenizer would add."""
        ...

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        ...

    def map(self, function: Callable[[Engine, Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function with an engine and each item, and return the results in the items' order.

        The engine that it is given may be a worker's own, so what is called must be able to travel: a function of a
        module, and plain items.
        """
        ...
