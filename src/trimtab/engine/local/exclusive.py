"""What every entry of the engine holds while it uses a model: its lock, and surroundings that hooks work in."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

import torch

from trimtab.engine.local.session import Session
from trimtab.models import Model

P = ParamSpec("P")
T = TypeVar("T")


def exclusive(function: Callable[P, T]) -> Callable[P, T]:
    """Let a function, whose first argument is a model, run for one thread at a time; see ``held``."""

    @functools.wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        model = args[0] if args else kwargs.get("model")
        if not isinstance(model, Model):  # another engine, which keeps its own house, or a mistake
            return function(*args, **kwargs)
        with held(model):
            return function(*args, **kwargs)

    return alone


@contextmanager
def held(model: Model) -> Iterator[None]:
    """Keep other threads out, and compute as the model was loaded, whatever block the caller is in.

    Inside ``torch.inference_mode`` pictures would be remembered as tensors that no gradient may touch later; inside
    ``torch.autocast`` numbers would be those of another precision than the model's.
    """
    kind = model.device.type
    with in_force(model), ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def in_force(model: Model) -> Iterator[None]:
    """Keep other threads out of a model, and compiled graphs, which go around hooks; look at replaced modules anew."""
    session = Session.of(model)
    with session.lock, _eager:
        if session.lock.depth == 1:
            session.drives = False  # whatever a thread that was killed left behind
        model.refresh_parts()
        yield


class _EagerStance:
    """Has torch run compiled functions as they were written, so that hooks put on later run too.

    The stance is one for the whole process, so blocks of several threads are counted.
    """

    def __init__(self) -> None:
        self._lock, self._depth, self._stance = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._stance.push(torch.compiler.set_stance("force_eager"))
            self._depth += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._stance.close()


_eager = _EagerStance()
