"""What a request may ask for: the form of steering in ``vllm_xargs``, read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.artifact_checks import check_strength
from trimtab.errors import UsageError

FIELDS = ("artifact", "strength", "target")
OWN = ("kv_transfer_params", "ec_transfer_params")
"""What vLLM itself puts beside a request's own fields."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for.

    Attributes:
        artifact: Name of an artifact of the bank.
        strength: Its strength; None for the artifact's own, 0 for none.
        target: The modality to follow, which tells artifacts of one name apart; None where there is one alone.
    """

    artifact: str
    strength: float | None = None
    target: str | None = None


def read_wanted(given: Mapping[str, object] | None) -> Wanted | None:
    """Read what a request asks for.

    Args:
        given: The request's ``vllm_xargs``.

    Returns:
        What is wanted; None for a plain request.

    Raises:
        UsageError: A field is unknown or missing, or is not what it must be.
    """
    fields = {key: value for key, value in (given or {}).items() if key not in OWN}
    if not fields:
        return None
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise UsageError(
            f"`vllm_xargs` must have no fields but {', '.join(FIELDS)}; got {unknown[0]!r:.100}; take it out."
        )
    artifact, strength, target = map(fields.get, FIELDS)
    if not isinstance(artifact, str) or not artifact:
        raise UsageError(
            f"`artifact` of vllm_xargs must name one artifact of the server; got {artifact!r:.100}; GET "
            "/v1/steering/artifacts lists them."
        )
    if target is not None and not isinstance(target, str):
        raise UsageError(f"`target` of vllm_xargs must be the name of a modality; got {target!r:.100}.")
    if strength is None:
        return Wanted(artifact, None, target)
    check_strength(strength, "vllm_xargs")
    assert isinstance(strength, (int, float))
    return Wanted(artifact, float(strength), target)
