"""What inspect_ai finds: the provider ``trimtab``, loaded when it is used, and the tasks."""

# pyright: reportMissingImports=false

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi

from trimtab.integrations.evals.inspect.tasks import conflict

__all__ = ["conflict", "trimtab"]


@modelapi(name="trimtab")
def trimtab() -> type[ModelAPI]:
    """Return the provider."""
    from trimtab.integrations.evals.inspect.provider import TrimtabAPI

    return TrimtabAPI
