"""The provider ``trimtab`` of inspect_ai: any model that trimtab loads, plain or steered."""

# pyright: reportMissingImports=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from trimtab.engine import Prompt
from trimtab.errors import DataError, UsageError
from trimtab.integrations.evals.inspect.messages import prompt_of_messages
from trimtab.integrations.evals.settings import Settings, settings_of
from trimtab.integrations.evals.steered import load_steered

CONNECTIONS = 32
"""Samples that inspect_ai lets ask at a time, if it is not told another number."""


@dataclass(eq=False)
class _Waiting:
    """A prompt that waits for its reply."""

    prompt: Prompt
    settings: Settings
    output: ModelOutput | None = None
    refused: str | None = None


class TrimtabAPI(ModelAPI):
    """Answers samples in batches: those that come while one batch is answered are the next one."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  (inspect_ai's own default)
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        """Load the model.

        Args:
            model_name: A bundled name, a folder or a Hub id.
            base_url: For other providers.
            api_key: For other providers.
            config: How replies are generated where a task does not say.
            batch_size: Samples of a batch; left out, as many as fit in memory.
            options: What else ``load_steered`` takes: ``artifact``, ``strength``, ``target``, ``dtype``, ...

        Raises:
            TrimtabError: What is given does not fit; see ``load_steered``.
        """
        super().__init__(model_name=model_name, base_url=base_url, api_key=api_key, api_key_vars=[], config=config)
        self.steered = load_steered({"pretrained": model_name, **options}, "model_args", batch_size)
        self._lock = anyio.Lock()
        self._waiting: list[_Waiting] = []

    def max_connections(self) -> int:
        """Return how many samples may ask at a time."""
        return self.steered.batch_size or CONNECTIONS

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Answer a sample.

        Raises:
            UsageError: It asks for what a prompt of trimtab cannot say, such as tools or several turns.
            DataError: The model cannot take it.
        """
        if tools or (config.num_choices or 1) > 1:
            raise UsageError("`tools` and `num_choices` must be left out for trimtab, which gives one reply in words.")
        mine = _Waiting(prompt_of_messages(input), _settings(config))
        self._waiting.append(mine)
        async with self._lock:
            if mine in self._waiting:
                batch = [one for one in self._waiting if one.settings == mine.settings]
                self._waiting = [one for one in self._waiting if one not in batch]
                await anyio.to_thread.run_sync(self._answer, batch)
        if mine.output is None:
            raise DataError(f"`input` must suit {self.steered.model.name}: {mine.refused or 'its batch failed'}")
        return mine.output

    def _answer(self, batch: list[_Waiting]) -> None:
        settings = batch[0].settings
        found = self.steered.answer([one.prompt for one in batch], settings.decoding, settings.longest)
        receipt = str(found.receipt)
        for place, (one, text) in enumerate(zip(batch, found.texts, strict=True)):
            one.refused = found.refused.get(place)
            if one.refused is None:
                output = ModelOutput.from_content(self.steered.name, settings.ended(text))
                said = {"receipt": receipt, "rows": len(batch), "broken": found.broken.get(place)}
                output.metadata = {"trimtab": said}
                one.output = output


def _settings(config: GenerateConfig) -> Settings:
    names = {"max_new_tokens": "max_tokens", "until": "stop_seqs"}
    known = ("max_new_tokens", "until", "temperature", "top_p", "top_k", "seed")
    given = {name: getattr(config, names.get(name, name)) for name in known}
    return settings_of({name: value for name, value in given.items() if value is not None}, "GenerateConfig")
