"""The engine of a model in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from trimtab.engine.answers import Answers
from trimtab.engine.capability import Capability
from trimtab.engine.contract import Engine
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import Encoded
from trimtab.engine.local import admission, encoding, generating, running
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read, Readings
from trimtab.engine.rows import Rows
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


class LocalEngine:
    """Serves a Hugging Face model that ``trimtab.load`` returned; it can do everything.

    It holds nothing but the model: what is kept between calls is the model's ``Session``.

    Attributes:
        model: The model.
        capabilities: All of them.
    """

    capabilities = frozenset(Capability)

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def name(self) -> str:
        """The name or path that the model was loaded from."""
        return self.model.name

    @property
    def fingerprint(self) -> str:
        """Digest of the configuration and of a sample of every weight."""
        return self.model.fingerprint

    @property
    def family_name(self) -> str:
        """The name of the model's family."""
        return self.model.family.name

    @property
    def n_layers(self) -> int:
        """Decoder blocks."""
        return self.model.n_layers

    @property
    def n_heads(self) -> int:
        """Query heads of a layer."""
        return self.model.n_heads

    @property
    def head_dims(self) -> tuple[int, ...]:
        """Width of a query head in each layer."""
        return self.model.head_dims

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return self.model.hidden_size

    @property
    def vocab_size(self) -> int:
        """Tokens that logits are over."""
        return self.model.text_config.vocab_size

    @property
    def precision(self) -> str:
        """The number type of the token embeddings."""
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def n_parameters(self) -> int:
        """How many numbers the model has."""
        return sum(p.numel() for p in self.model.hf.parameters())

    @property
    def device(self) -> str:
        """Where the token embeddings are looked up."""
        return str(self.model.device)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What prompts may show or say."""
        return self.model.modalities

    def run(
        self, rows: Rows, read: Read | None = None, *, reuse: bool, batch_size: int | None, progress: Progress
    ) -> Readings:
        """Run rows in batches on shared prefixes."""
        found = running.run(self.model, rows, read or Read(), reuse, batch_size, progress)
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
        """Answer rows in batches on shared prefixes."""
        found = generating.generate(
            self.model, rows, max_new_tokens, decoding, reuse, batch_size, progress, keep_broken, first_logits
        )
        found.receipt.require_hits()
        return found

    def admit(self, prompts: Sequence[Prompt | Encoded], *, new_tokens: int) -> dict[int, str]:
        """Encode each prompt and embed what it shows."""
        return admission.admit(self.model, prompts, new_tokens=new_tokens)

    def encode(self, prompt: Prompt) -> Encoded:
        """Render a prompt by the model's chat template, and tokenize it."""
        return encoding.encode(self.model, prompt)

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a text by itself."""
        return self.model.tokenizer(text, add_special_tokens=False)["input_ids"]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return self.model.tokenizer.decode(list(tokens))

    def map(self, function: Callable[[Engine, Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function with this engine and each item, one after the other."""
        return [function(self, item) for item in items]
