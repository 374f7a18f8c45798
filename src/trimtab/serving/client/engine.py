"""The contract of an engine over a server that ``trimtab serve`` started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from trimtab.engine import (
    Answers,
    Capability,
    Decoding,
    Encoded,
    Engine,
    Prompt,
    Read,
    Readings,
    Row,
    Rows,
    as_questions,
)
from trimtab.errors import DataError, NotFiniteError, ServerError, UnsupportedEngineError, UsageError
from trimtab.modalities import PAIR, Modality
from trimtab.progress import Progress
from trimtab.serving.client.matching import Offered
from trimtab.serving.client.messages import decoding_of, messages_of, seeds_of
from trimtab.serving.client.replies import add_answer, add_top, cached_tokens
from trimtab.serving.client.transport import RefusedError, Transport
from trimtab.serving.facts import ServedModel
from trimtab.serving.receipts import NOT_FINITE

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 32
"""Requests that are under way together: the server makes batches of them."""


class ServedEngine:
    """Serves a model that is on a server; see ``trimtab.connect``, which makes one.

    Its sizes and names are those that the server tells of its model.

    Attributes:
        capabilities: Added vectors and edited heads, of artifacts that the server offers, and log-probabilities of the
            likeliest tokens.
    """

    capabilities = frozenset({Capability.ADD_VECTOR, Capability.EDIT_HEADS, Capability.TOP_LOGPROBS})

    def __init__(self, transport: Transport, model: ServedModel, told: Mapping[str, Any]) -> None:
        self._transport, self._stops = transport, frozenset(model.stop_tokens)
        self._served_as, self.device = str(told["served_as"]), str(told["device"])
        self._most_tokens, self._most_top = int(told["max_model_len"]), int(told["max_logprobs"])
        self.name, self.fingerprint, self.family_name = model.name, model.fingerprint, model.family_name
        self.n_layers, self.n_heads, self.head_dims = model.n_layers, model.n_heads, model.head_dims
        self.hidden_size, self.vocab_size = model.hidden_size, model.vocab_size
        self.precision, self.n_parameters = model.precision, model.n_parameters
        self.modalities: tuple[Modality, ...] = tuple(kind for kind in model.modalities if kind in PAIR)

    def run(
        self, rows: Rows, read: Read | None = None, *, reuse: bool, batch_size: int | None, progress: Progress
    ) -> Readings:
        """Read log-probabilities of the likeliest next tokens."""
        count = 0 if read is None else read.top
        if count > self._most_top:
            raise UsageError(
                f"`top` of Read must be at most {self._most_top} on this server of {self.name}; got {count}; start it "
                "with -- --max-logprobs for more."
            )
        own, asked = self._prepared(rows, reuse, "run")
        extra = {"max_tokens": 1, "logprobs": True, "top_logprobs": count, "return_tokens_as_token_ids": True}
        bodies = [extra | decoding_of(Decoding(), 0) for _ in own]
        found = Readings(top=[])
        for place, reply in self._replies(own, asked, bodies, batch_size, ("read rows", progress)):
            if isinstance(reply, RefusedError):
                raise self._error(reply, place)
            add_top(found, reply, count)
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
        """Answer rows, some at once; what is drawn is the server's own luck, another than that of a model here."""
        own, asked = self._prepared(rows, reuse, "generate")
        seeds = seeds_of(decoding, [row.prompt for row in own], asked, self.name)
        extra = {"max_tokens": max_new_tokens, "return_token_ids": True}
        bodies = [extra | decoding_of(decoding, seed) for seed in seeds]
        found = Answers()
        for place, reply in self._replies(own, asked, bodies, batch_size, ("answer rows", progress)):
            if isinstance(reply, RefusedError):
                if not (keep_broken and NOT_FINITE in reply.reason):
                    raise self._error(reply, place)
                found.broken[place] = reply.reason
            add_answer(found, None if isinstance(reply, RefusedError) else reply, self._stops)
        found.receipt.require_hits()
        return found

    def admit(self, prompts: Sequence[Prompt | Encoded], *, new_tokens: int) -> dict[int, str]:
        """Let the server read each prompt to its first token; what it computes for that, it keeps for the answer."""
        own, asked = self._prepared([Row(prompt) for prompt in prompts], True, "admit") if prompts else ([], [])
        bodies = [{"max_tokens": 1, **decoding_of(Decoding(), 0)} for _ in own]
        refused: dict[int, str] = {}
        for place, reply in self._replies(own, asked, bodies, None, None):
            if isinstance(reply, RefusedError):
                if reply.code != 400:
                    raise self._error(reply, place)
                refused[place] = reply.reason
            elif (length := cached_tokens(reply)[1] + new_tokens) > self._most_tokens:
                refused[place] = (
                    f"prompt and answer together have up to {length} tokens, and the server takes {self._most_tokens}"
                )
        return refused

    def encode(self, prompt: Prompt) -> Encoded:
        """Refuse: a server writes prompts as tokens by itself.

        Raises:
            UnsupportedEngineError: Always.
        """
        raise UnsupportedEngineError(
            f"`model` of encode must have its tokenizer in this process; {self.name} is on a server; load the model "
            "with trimtab.load."
        )

    def tokenize(self, text: str) -> list[int]:
        """Let the server write a text by itself as tokens."""
        asked = {"model": self._served_as, "prompt": text, "add_special_tokens": False}
        return self._transport.post("/tokenize", asked)["tokens"]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Let the server write tokens as text."""
        return self._transport.post("/detokenize", {"model": self._served_as, "tokens": list(tokens)})["prompt"]

    def map(self, function: Callable[[Engine, Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function with this engine and each item, one after the other."""
        return [function(self, item) for item in items]

    def _prepared(self, rows: Rows, reuse: bool, owner: str) -> tuple[list[Row], list[dict[str, Any] | None]]:
        """Return the rows, and what each one asks for in the way of steering."""
        if not reuse:
            raise UsageError(
                f"`reuse` of {owner} must be True where {self.name} is on a server, which shares prefixes by itself; "
                "load the model with trimtab.load for the plain reference."
            )
        own = [row for row in as_questions(rows) if isinstance(row, Row)]  # contrasts need LOGITS
        steered = any(row.edits for row in own)
        offered = Offered(self._transport.get("/v1/steering/artifacts")["artifacts"] if steered else [], self.name)
        return own, [offered.asked(row) for row in own]

    def _replies(
        self,
        rows: Sequence[Row],
        asked: Sequence[dict[str, Any] | None],
        bodies: Sequence[Mapping[str, Any]],
        at_once: int | None,
        told: tuple[str, Progress] | None,
    ) -> Iterable[tuple[int, Any]]:
        """Ask all, and yield each place with its reply, or with how it was refused, in the rows' order."""

        def ask(place: int) -> Any:
            steering = asked[place]
            body = {"model": self._served_as, "messages": messages_of(rows[place].prompt, self.name), **bodies[place]}
            try:
                return self._transport.post(
                    "/v1/chat/completions", body | ({} if steering is None else {"vllm_xargs": steering})
                )
            except RefusedError as refused:
                return refused

        pool = ThreadPoolExecutor(at_once or AT_ONCE)
        try:
            replies = enumerate(pool.map(ask, range(len(rows))))
            if told is None:
                yield from replies
                return
            with told[1].task(told[0], len(rows)) as advance:
                for place, reply in replies:
                    advance(1)
                    yield place, reply
        finally:  # after an error, what has not begun is not asked
            pool.shutdown(cancel_futures=True)

    def _error(self, refused: RefusedError, place: int) -> Exception:
        where = f"row {place}: the server of {self.name} says: {refused.reason}"
        if NOT_FINITE in refused.reason:
            return NotFiniteError(where, (place,))
        return DataError(where) if refused.code == 400 else ServerError(where)
