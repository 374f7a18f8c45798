"""Which engine serves a model, and the model behind an engine where it is in this process."""

from __future__ import annotations

from trimtab.engine.capability import Capability
from trimtab.engine.contract import Engine
from trimtab.engine.local.engine import LocalEngine
from trimtab.engine.needed import refuse_missing
from trimtab.errors import UsageError
from trimtab.models import Model

ModelOrEngine = Model | Engine
"""What can be asked: a model that ``trimtab.load`` returned, served in this process, or any other engine."""


def engine_of(model: ModelOrEngine, owner: str = "engine_of") -> Engine:
    """Return the engine that serves a model; an engine serves itself.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(model, Model):
        return LocalEngine(model)
    if isinstance(model, Engine):
        return model
    raise UsageError(
        f"`model` of {owner} must be a model that trimtab.load returned, or another engine; got a "
        f"{type(model).__name__}; give the model first."
    )


def require(model: ModelOrEngine, *capabilities: Capability, owner: str) -> Engine:
    """Return the engine that serves a model, if it has some capabilities.

    What runs rows need not ask: ``run`` and ``generate`` do. Longer work asks at its beginning for all that it will
    need, so that nothing is done in vain.

    Raises:
        UnsupportedEngineError: It lacks one of them, with its name and what has it.
    """
    engine = engine_of(model, owner)
    refuse_missing(engine.name, engine.capabilities, capabilities, owner)
    return engine


def opened(model: ModelOrEngine, *capabilities: Capability, owner: str) -> Model:
    """Return the model itself, where an engine has it in this process.

    Raises:
        UnsupportedEngineError: It lacks one of the capabilities, or has its model elsewhere.
    """
    engine = require(model, *capabilities, owner=owner)
    if not isinstance(engine, LocalEngine):
        refuse_missing(engine.name, engine.capabilities - set(capabilities), capabilities, owner)
        raise AssertionError("no capability was asked for")
    return engine.model
