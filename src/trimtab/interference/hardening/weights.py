"""Which weights are trained, for as long as a run lasts, and how they are saved."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from trimtab.bundled import BUNDLED
from trimtab.errors import MissingDependencyError
from trimtab.interference.hardening.config import HardenConfig, LoraConfig
from trimtab.interference.hardening.processes import leads
from trimtab.interference.hardening.sharding import decoder_weights, gathered
from trimtab.models import Model, save_processors

if TYPE_CHECKING:
    from peft import PeftMixedModel, PeftModel


@dataclass(frozen=True, eq=False)
class Adapters:
    """Low-rank adapters in place."""

    peft: PeftModel | PeftMixedModel
    model: Model

    def settle(self) -> None:
        """Be as saved: adapters are."""

    def save(self, folder: Path) -> None:
        """Write the adapters; ``trimtab.load(folder)`` puts them on the model they were trained on."""
        name = self.model.name
        local = name not in BUNDLED and Path(name).is_dir()
        self.peft.peft_config["default"].base_model_name_or_path = str(Path(name).resolve()) if local else name
        self.peft.save_pretrained(str(folder), save_embedding_layers=False)
        config = folder / "adapter_config.json"
        kept = json.loads(config.read_text(encoding="utf-8"))
        kept["target_modules"] = sorted(kept["target_modules"])  # a set, which comes in another order each time
        config.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@dataclass(frozen=True, eq=False)
class FullWeights:
    """All weights of the decoder, trained in place.

    Attributes:
        model: The model.
        before: Each trained parameter and its value before.
    """

    model: Model
    before: list[tuple[nn.Parameter, Tensor]]

    def settle(self) -> None:
        """Put the weights back into the model's own type, in which they are saved."""
        for parameter, value in self.before:
            _cast(parameter, value.dtype)

    def save(self, folder: Path) -> None:
        """Write the model, which has settled, with tokenizer, processors and template."""
        _save(self.model, folder)


@dataclass(eq=False)
class SpreadWeights:
    """All weights of the decoder, spread over the processes that train them.

    Attributes:
        model: The model, which is spent.
        dtype: Its own type, in which it is saved.
        whole: What is saved, on the CPU of the first process, once it has settled.
    """

    model: Model
    dtype: torch.dtype
    whole: dict[str, Tensor] = field(default_factory=dict)

    def settle(self) -> None:
        """Round the weights to the model's own type, in which they are saved, and collect them."""
        trained = decoder_weights(self.model)
        for parameter in trained:
            with torch.no_grad():
                parameter.copy_(parameter.to(self.dtype))
        rounded, names = set(map(id, trained)), dict[int, list[str]]()
        state = self.model.hf.state_dict(keep_vars=True)
        for name, own in state.items():
            names.setdefault(id(own), []).append(name)
        for weight, own_names in names.items():  # tied weights have several names, and are one in what is saved as well
            found = gathered(state[own_names[0]].detach())
            if leads():
                kept = found.to("cpu", self.dtype if weight in rounded else found.dtype)
                self.whole |= dict.fromkeys(own_names, kept)

    def save(self, folder: Path) -> None:
        """Write the model, which has settled, with tokenizer, processors and template."""
        _save(self.model, folder, self.whole)


def _save(model: Model, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
    cast(Any, model.hf).save_pretrained(folder, state_dict=weights)
    model.tokenizer.save_pretrained(folder)
    save_processors(model.processors, folder)
    (folder / "chat_template.jinja").write_text(model.chat_template, encoding="utf-8", newline="\n")


def trainable(model: Model, config: HardenConfig) -> AbstractContextManager[Adapters | FullWeights | SpreadWeights]:
    """Make a model trainable inside the block, and leave it behind as it was, but for one that is spread.

    This is called before a model is spread, while it is in its own type; the block is entered after that.

    Only the text decoder and its head are trained; the vision tower and the projector are not, so what is
    remembered of a picture stays true, and what consistency anchors stays put.

    Raises:
        MissingDependencyError: LoRA is asked for and peft is not installed.
    """
    if config.method == "lora":
        way = _adapters(model, config.lora, config.seed)
    else:
        way = _spread(SpreadWeights(model, model.dtype)) if config.shard else _full(model)
    return _trainable(way, model, config)


@contextmanager
def _trainable(
    way: AbstractContextManager[Adapters | FullWeights | SpreadWeights], model: Model, config: HardenConfig
) -> Iterator[Adapters | FullWeights | SpreadWeights]:
    with way as weights:
        try:
            if config.checkpointing:
                _checkpointing(model, "enable")({"use_reentrant": False})
            yield weights
        finally:
            if config.checkpointing:
                _checkpointing(model, "disable")()
            model.hf.eval().requires_grad_(False)


def _checkpointing(model: Model, what: str) -> Callable[..., None]:
    """Find the method by its new name, or by its old one in versions of transformers before the change."""
    return getattr(model.hf, f"activation_checkpointing_{what}", None) or getattr(
        model.hf, f"gradient_checkpointing_{what}"
    )


@contextmanager
def _adapters(model: Model, config: LoraConfig, seed: int) -> Iterator[Adapters]:
    try:
        import peft
    except ImportError as error:
        raise MissingDependencyError("`method` lora of harden needs peft; run: pip install 'trimtab[train]'") from error
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=cast(int, config.alpha),
        target_modules=_linear_maps(model),
        lora_dropout=0.0,
        bias="none",
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that goes in its version 6
        torch.manual_seed(seed)
        wrapped = peft.get_peft_model(model.hf, settings)
    model.__dict__.pop("head_outputs", None)
    try:
        yield Adapters(wrapped, model)
    finally:
        wrapped.unload()
        model.__dict__.pop("head_outputs", None)


@contextmanager
def _full(model: Model) -> Iterator[FullWeights]:
    """Train in float32, whatever the model's own type: small steps on weights of low precision round to nothing."""
    before = [(p, p.detach().cpu().clone()) for p in decoder_weights(model)]
    try:
        for parameter, _ in before:
            _cast(parameter, torch.float32)
            parameter.requires_grad_()
        yield FullWeights(model, before)
    finally:
        for parameter, value in before:
            _cast(parameter, value.dtype)
            with torch.no_grad():
                parameter.copy_(value)


@contextmanager
def _spread(weights: SpreadWeights) -> Iterator[SpreadWeights]:
    for parameter in decoder_weights(weights.model):
        parameter.requires_grad_()
    yield weights


def _cast(parameter: nn.Parameter, dtype: torch.dtype) -> None:
    """Change a parameter's type in place, so that tied weights stay tied; its gradient goes."""
    parameter.grad = None
    parameter.data = parameter.data.to(dtype)


def _linear_maps(model: Model) -> list[str]:
    """Name the decoder's linear maps in full: a bare ``q_proj`` would match the vision tower's as well."""
    inside = {id(module) for layer in model.layers for module in layer.modules() if isinstance(module, nn.Linear)}
    return [name for name, module in model.hf.named_modules() if id(module) in inside]
