"""The worker: hooks on the model's layers, a plan before each step, receipts after it."""

# pyright: reportMissingImports=false

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vllm.logger import init_logger
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.worker.gpu_model_runner import GPUModelRunner
from vllm.v1.worker.worker_base import WorkerBase

from trimtab.engine import AddVector, Predictor
from trimtab.errors import ArtifactError, TrimtabError, UnsupportedMethodError, UnsupportedModelError
from trimtab.serving.bank import Bank
from trimtab.serving.facts import ServedModel
from trimtab.serving.offers import Offer
from trimtab.serving.places import site_of
from trimtab.serving.plugin.scheduler import RECEIPTS
from trimtab.serving.plugin.wrapping import wrap
from trimtab.serving.requests import steering_of
from trimtab.serving.rows import Chunk
from trimtab.serving.settings import Settings, process_settings
from trimtab.serving.steered import Order, Part
from trimtab.serving.steerer import HEADS, LayerSite, Steerer
from trimtab.serving.table import Room, Table
from trimtab.serving.wire import MOST

logger = init_logger(__name__)
Change = Callable[..., Tensor]
"""Changes what a site hands on; told, too, what the model will add to that later."""
LAYER = re.compile(r"(?:^|\.)language_model\.model\.layers\.(\d+)$|^model\.layers\.(\d+)$")
"""Where vLLM's models have their decoder blocks."""


class Steering:
    """What steers one runner's model.

    Attributes:
        steerer: Its tensors and requests.
        offers: What it can steer by, by digest.
    """

    def __init__(self, runner: Any, settings: Settings) -> None:
        _check_steps(runner)
        model = ServedModel.load(settings.facts)
        self._bank = Bank(model)
        self.offers: dict[str, Offer] = {}
        self._leaving: set[str] = set()
        now = [self._bank.read(name, folder) for name, folder in settings.artifacts]
        known = now + [offer for name, folder in settings.in_bank() if (offer := self._may_read(name, folder))]
        depths, compiled = _depths(known), not runner.model_config.enforce_eager
        _check_workers(runner, depths)
        self.steerer = Steerer(depths, model, _room(runner, known), runner.device, compiled=compiled)
        for offer in now:
            self.add(offer)
        self._hook(runner, compiled)

    def _may_read(self, name: str, folder: Path) -> Offer | None:
        """Read an artifact of the bank's folder, where there may be some that cannot be offered."""
        try:
            return self._bank.read(name, folder)
        except TrimtabError:
            return None

    def add(self, offer: Offer) -> None:
        """Steer by an artifact from now on."""
        self._leaving.discard(offer.digest)
        if offer.digest not in self.offers:
            self.steerer.hold(offer)
            self.offers[offer.digest] = offer

    def read_and_add(self, name: str, folder: str, digest: str) -> None:
        """Add an artifact that the front end has read.

        Raises:
            ArtifactError: It has been replaced since.
            UsageError: There is no room for it.
        """
        offer = self._bank.read(name, Path(folder))
        if offer.digest != digest:
            raise ArtifactError(f"artifact {folder} must not be replaced while it is added; add it again.")
        self.add(offer)

    def remove(self, digest: str) -> None:
        """Let an artifact go, once no request is steered by it."""
        self._leaving.add(digest)
        self._sweep()

    def _sweep(self) -> None:
        for digest in [digest for digest in self._leaving if not self.steerer.in_use(digest)]:
            self._leaving.discard(digest)
            offer = self.offers.pop(digest, None)
            if offer is not None:
                self.steerer.drop(offer)

    def begin(self, runner: Any) -> None:
        """Plan a step: whose rows it holds, and how they are steered."""
        batch, plain = runner.input_batch, self.steerer.plain
        self.steerer.forget(runner.requests)
        if self._leaving:
            self._sweep()
        starts, computed, lengths = runner.query_start_loc.np, batch.num_computed_tokens_cpu, batch.num_prompt_tokens
        steps = [
            Chunk(name, int(starts[k]), int(starts[k + 1]), int(computed[k]), int(lengths[k]))
            for k, name in enumerate(batch.req_ids)
            if name not in plain
        ]
        self.steerer.begin(steps, lambda name: self._order(runner.requests[name].sampling_params))

    def give_up(self, runner: Any, reason: str) -> None:
        """Let a step pass without steering, and have every request end that asked for it."""
        self.steerer.fail(reason)
        for name in runner.input_batch.req_ids:
            params = runner.requests[name].sampling_params
            if params is not None and steering_of(params.extra_args) is not None:
                self.steerer.refuse(name, reason)

    def _order(self, params: Any) -> Order | None:
        steering = None if params is None else steering_of(params.extra_args)
        if steering is None:
            return None
        parts = []
        for own in steering["parts"]:
            about = {key: own[key] for key in ("artifact", "target", "strength", "digest")}
            offer = self.offers.get(own["digest"])
            if offer is None:
                error = f"artifact {own['artifact']!r} was removed before the request began"
                return Order((*parts, Part(about)), error=error)
            parts.append(Part(about, offer.edits(own["strength"])))
        return Order(tuple(parts), steering["named"])

    def _hook(self, runner: Any, compiled: bool) -> None:
        """Put a hook behind each layer that can be steered, before the model is compiled."""
        blocks = {
            int(found[1] or found[2]): module
            for name, module in runner.model.named_modules()
            if (found := LAYER.search(name))
        }
        missing = sorted({layer for _kind, layer in self.steerer.tables} - set(blocks))
        if missing:
            raise UnsupportedModelError(
                f"`model` of a server must have its layers where trimtab looks for them; "
                f"{type(runner.model).__name__} has no layer {missing[0]} there; serve one of family llava or "
                "qwen2_5_vl."
            )
        for (kind, layer), tables in self.steerer.tables.items():
            change = self._change(tables, compiled)
            if kind == HEADS:
                blocks[layer].self_attn.o_proj.register_forward_pre_hook(partial(_heads, change))
            else:
                blocks[layer].register_forward_hook(partial(_states, change))

    def _change(self, tables: Sequence[Table], compiled: bool) -> Change:
        """Return what changes a site's output: all its tables, for a compiled graph, or else those that are needed."""
        steerer = self.steerer

        def always(output: Tensor, beside: Tensor | None = None) -> Tensor:
            for table in tables:
                output = table.changed(output, beside)
            return output

        def when_needed(output: Tensor, beside: Tensor | None = None) -> Tensor:
            if steerer.idle:
                return output
            try:
                for table in tables:
                    if table.users:
                        output = table.changed(output, beside)
            except Exception as error:  # a request may fail, the server may not
                logger.exception("trimtab: a step was not steered")
                steerer.fail(f"steering failed ({type(error).__name__})")
            return output

        return always if compiled else when_needed


def install() -> None:
    """Steer the models that this process runs."""
    wrap(GPUModelRunner, "load_model", _load_model)
    wrap(GPUModelRunner, "_model_forward", _model_forward)
    wrap(GPUModelRunner, "sample_tokens", _sample_tokens)
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        from vllm.v1.worker.cpu_model_runner import CPUModelRunner

        wrap(CPUModelRunner, "load_model", _load_model)
    for name, method in (("trimtab_add", _add), ("trimtab_remove", _remove)):
        setattr(WorkerBase, name, method)


def _load_model(original: Callable[..., Any], runner: Any, *arguments: Any, **named: Any) -> Any:
    done = original(runner, *arguments, **named)
    if not hasattr(runner, "trimtab"):
        runner.trimtab = Steering(runner, process_settings())
    return done


def _model_forward(original: Callable[..., Any], runner: Any, *arguments: Any, **named: Any) -> Any:
    steering: Steering = runner.trimtab
    try:
        steering.begin(runner)
    except Exception as error:  # a request may fail, the server may not
        logger.exception("trimtab: a step was not planned")
        steering.give_up(runner, f"steering failed ({type(error).__name__})")
    done = original(runner, *arguments, **named)
    try:
        steering.steerer.end()
    except Exception as error:
        logger.exception("trimtab: a step was not measured")
        steering.steerer.fail(f"steering was not measured ({type(error).__name__})")
    return done


def _sample_tokens(original: Callable[..., Any], runner: Any, *arguments: Any, **named: Any) -> Any:
    steerer: Steerer = runner.trimtab.steerer
    if runner.execute_model_state is not None and runner.execute_model_state.logits is not None:
        steerer.check(runner.input_batch.req_ids, runner.execute_model_state.logits)
    output = original(runner, *arguments, **named)
    if isinstance(output, ModelRunnerOutput):
        told = steerer.told(output.req_ids)
        if told:
            setattr(output, RECEIPTS, told)
    return output


def _add(worker: Any, name: str, folder: str, digest: str) -> str | None:
    """Add an artifact in a worker; what is wrong is returned, since an exception would end the engine."""
    try:
        worker.model_runner.trimtab.read_and_add(name, folder, digest)
    except TrimtabError as error:
        return str(error)
    return None


def _remove(worker: Any, digest: str) -> None:
    worker.model_runner.trimtab.remove(digest)


def _check_steps(runner: Any) -> None:
    """Refuse settings under which a step's rows are not what the plan takes them to be."""
    given = {"speculative_config": runner.speculative_config, "async_scheduling": runner.use_async_scheduling}
    wrong = next((name for name, value in given.items() if value), None)
    if wrong is not None:
        raise UnsupportedMethodError(
            f"`{wrong}` of a server that steers must be off, since steering needs the tokens of each step to be known "
            "and final; start vLLM without it."
        )


def _room(runner: Any, known: list[Offer]) -> Room:
    """Return room for every request, those that were put off too, and for every network once more."""
    widths: dict[int, list[int]] = {}
    for offer in known:
        for edit in offer.unit:
            if isinstance(edit, AddVector) and isinstance(edit.direction, Predictor):
                widths.setdefault(edit.layer, []).append(edit.direction.b_in.shape[0])
    networks = max(map(len, widths.values()), default=0)
    units = max(map(sum, widths.values()), default=0)
    return Room(runner.max_num_tokens, 2 * runner.max_num_reqs + 1, 2 * networks, 2 * units)


def _depths(known: list[Offer]) -> dict[LayerSite, int]:
    """Return how many edits one request may make at each site: those of the artifacts that make most there."""
    counts = [Counter(map(site_of, offer.unit)) for offer in known]
    sites = {site for count in counts for site in count}
    return {site: sum(sorted((count[site] for count in counts), reverse=True)[:MOST]) for site in sites}


def _check_workers(runner: Any, sites: Iterable[LayerSite]) -> None:
    """Refuse to edit heads where they are shared out among several workers."""
    count = runner.parallel_config.tensor_parallel_size
    if count > 1 and any(kind == HEADS for kind, _layer in sites):
        raise UnsupportedMethodError(
            "`tensor_parallel_size` of a server that edits heads must be 1, since each worker has its own heads; got "
            f"{count}; start vLLM without it, or the server without head sets."
        )


def _heads(change: Change, _module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what goes into a layer's output projection with the change made."""
    return change(inputs[0]), *inputs[1:]


def _states(change: Change, _block: Any, _inputs: tuple[Any, ...], output: Any) -> Any:
    """Return a block's output with the change made; vLLM's blocks hand on what is still to be added beside it."""
    if isinstance(output, torch.Tensor):
        return change(output)
    hidden, residual = output
    return change(hidden, residual), residual
