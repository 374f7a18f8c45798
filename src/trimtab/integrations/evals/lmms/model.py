"""The model ``trimtab`` of lmms-eval: any model that trimtab loads, plain or steered."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from trimtab.engine import Prompt, Receipt
from trimtab.errors import UsageError
from trimtab.integrations.evals.lmms.processes import for_own_share, placed
from trimtab.integrations.evals.lmms.visuals import media_of
from trimtab.integrations.evals.parts import PARTS, prompt_of
from trimtab.integrations.evals.settings import KNOWN, Settings, settings_of
from trimtab.integrations.evals.steered import load_steered
from trimtab.studies.kit.chunks import chunks_of

CHUNK = 128
"""Requests whose media are held at a time."""

Asked = TypeVar("Asked")


class Trimtab(lmms):
    """Answers requests of lmms-eval by trimtab's engine, and logs what was edited."""

    def __init__(self, batch_size: int | str | None = None, max_batch_size: int | None = None, **options: Any) -> None:
        """Load the model.

        Args:
            batch_size: Requests of a batch, or ``auto`` for as many as fit in memory.
            max_batch_size: For other models; trimtab finds the size by itself.
            options: What ``load_steered`` takes: ``pretrained``, ``artifact``, ``strength``, ``target``, ``dtype``, ...

        Raises:
            TrimtabError: What is given does not fit; see ``load_steered``.
        """
        super().__init__()
        self.steered = load_steered(placed(options), "model_args", _batch_size(batch_size))
        self._unknown: set[str] = set()
        logger.info(f"trimtab: {self.steered.name}")

    @property
    def device(self) -> Any:
        """Where the model takes its input."""
        return self.steered.model.device

    def generate_until(self, requests: Sequence[Instance]) -> list[str]:
        """Generate a reply to each request."""

        def ask(request: Instance) -> tuple[Prompt, Settings]:
            text, given, visuals, doc_id, task, split = request.args
            return self._prompt(text, visuals, doc_id, task, split), self._settings(given)

        return for_own_share(requests, lambda own: self._replies(own, ask), "")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[list[str]]:
        """Generate replies round by round; after each, the task says what comes next, or that it has all it needs."""
        return for_own_share(requests, self._rounds, [""])

    def _rounds(self, requests: Sequence[Instance]) -> list[list[str]]:
        going = [_Rounds(one) for one in requests]
        every, number = list(going), 0
        while going:

            def ask(one: _Rounds) -> tuple[Prompt, Settings]:
                return self._prompt(one.text, one.visuals, *one.where), self._settings(one.given)

            for one, reply in zip(going, self._replies(going, ask), strict=True):
                one.replies.append(reply)
            number += 1
            going = [one for one in going if one.goes_on(self._doc(*one.where), number)]
        return [one.replies for one in every]

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """Return for each request the loss of its continuation, and whether greedy decoding would give it.

        The loss is the mean negative log-probability of a token, as lmms-eval's own models return it: its
        ``multiple_choice`` takes the lowest.
        """
        return for_own_share(requests, self._likelihoods, (0.0, False))

    def _likelihoods(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        found: list[tuple[float, bool]] = []
        receipt = Receipt()
        with self._bar(len(requests)) as bar:
            for _, group in groupby(requests, _question):  # the options of one question share its prompt
                own = list(group)
                text, _, visuals, *where = own[0].args
                doc = self._doc(*where)
                replies = [reply if isinstance(reply := one.args[1], str) else reply(doc) for one in own]
                likely, touched = self.steered.likelihoods(self._prompt(text, visuals, *where), replies)
                found += [(-one.log_probability / one.tokens, one.greedy) for one in likely]
                receipt.add(touched)
                bar.update(len(own))
        self._say(receipt)
        return found

    def _replies(self, every: Sequence[Asked], ask: Callable[[Asked], tuple[Prompt, Settings]]) -> list[str]:
        """Answer in chunks, in each the requests of equal settings together."""
        replies: list[str] = []
        receipt = Receipt()
        with self._bar(len(every)) as bar:
            for chunk in chunks_of(len(every), CHUNK):
                asked = [ask(one) for one in every[chunk]]
                own = [""] * len(asked)
                for settings in dict.fromkeys(settings for _, settings in asked):
                    places = [k for k, (_, theirs) in enumerate(asked) if theirs == settings]
                    prompts = [asked[k][0] for k in places]
                    found = self.steered.answer(prompts, settings.decoding, settings.longest)
                    for k, text in zip(places, found.texts, strict=True):
                        own[k] = settings.ended(text)
                    for k, why in (*found.refused.items(), *found.broken.items()):
                        logger.warning(f"trimtab: request {chunk.start + places[k]} has an empty reply: {why}")
                    receipt.add(found.receipt)
                replies += own
                bar.update(len(own))
        self._say(receipt)
        return replies

    def _doc(self, doc_id: int, task: str, split: str) -> Any:
        return self.task_dict[task][split][doc_id]

    def _prompt(self, text: str, visuals: Callable[[Any], Any], doc_id: int, task: str, split: str) -> Prompt:
        doc = self._doc(doc_id, task, split)
        return prompt_of(text, media_of(visuals(doc)), doc.get(PARTS))

    def _settings(self, given: dict[str, Any]) -> Settings:
        for name in given.keys() - {*KNOWN} - self._unknown:
            self._unknown.add(name)
            logger.warning(f"trimtab: generation_kwargs has {name!r}, which is for other models; it is left out")
        return settings_of(given, "generation_kwargs")

    def _say(self, receipt: Receipt) -> None:
        which = f"process {self.rank + 1} of {self.world_size}: " if self.world_size > 1 else ""
        logger.info(f"trimtab: {which}{self.steered.name}: {receipt}")

    def _bar(self, total: int) -> tqdm:
        return tqdm(total=total, disable=self.rank != 0, desc="trimtab")


class _Rounds:
    """One request of several rounds, between them."""

    def __init__(self, request: Instance) -> None:
        self.text, self.given, self.visuals, self._next, *self.where = request.args
        self.replies: list[str] = []
        self._told: Any = None

    def goes_on(self, doc: Any, number: int) -> bool:
        """Ask the task for the next round, if there is one; else keep the replies as it wants them."""
        shown, text, ended, kept, self._told = self._next(
            doc, previous_output=list(self.replies), round_idx=number, previous_round_info=self._told
        )
        if ended:
            self.replies = list(kept)
            return False
        self.text, self.visuals = text, lambda _doc: shown
        return True


def _question(request: Instance) -> Hashable:
    text, _, _, *where = request.args
    return text, *where


def _batch_size(given: int | str | None) -> int | None:
    """Read the size of a batch; None for as many as fit in memory.

    Raises:
        UsageError: It is none.
    """
    text = str(given if given is not None else "auto")
    if text.startswith("auto"):
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"`batch_size` of lmms-eval must be auto or a number of at least 1; got {given!r}.")
    return int(text)
