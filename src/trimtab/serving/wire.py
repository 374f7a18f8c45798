"""What a request may ask for: the form of steering in ``vllm_xargs``, read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.artifact_checks import check_strength
from trimtab.errors import UsageError

FIELDS = ("artifact", "strength", "target", "question")
OWN = ("kv_transfer_params", "ec_transfer_params")
"""What vLLM itself puts beside a request's own fields."""
MOST = 4
"""Artifacts that one request may name."""


@dataclass(frozen=True)
class Wanted:
    """An artifact that a request asks for.

    Attributes:
        artifact: Name of an artifact of the bank.
        strength: Its strength; None for the artifact's own, 0 for none.
        target: The modality to follow, which tells artifacts of one name apart; None where there is one alone.
    """

    artifact: str
    strength: float | None = None
    target: str | None = None


def read_wanted(given: Mapping[str, object] | None) -> tuple[Wanted, ...]:
    """Read what a request asks for.

    Args:
        given: The request's ``vllm_xargs``.

    Returns:
        The artifacts, in the order in which they are to act; none for a plain request.

    Raises:
        UsageError: A field is unknown or missing, or is not what it must be.
    """
    fields = {key: value for key, value in (given or {}).items() if key not in OWN}
    if not fields:
        return ()
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise UsageError(
            f"`vllm_xargs` must have no fields but {', '.join(FIELDS)}; got {unknown[0]!r:.100}; take it out."
        )
    artifact = fields.get("artifact")
    names = _listed(artifact)
    if not 0 < len(names) <= MOST or not all(isinstance(name, str) and name for name in names):
        raise UsageError(
            f"`artifact` of vllm_xargs must name an artifact of the server, or be a list of up to {MOST} names; got "
            f"{artifact!r:.100}; GET /v1/steering/artifacts lists them."
        )
    strengths, targets = (_for_each(fields.get(name), len(names), name) for name in ("strength", "target"))
    return tuple(_wanted(*one) for one in zip(names, strengths, targets, strict=True))


def read_question(given: Mapping[str, object] | None) -> tuple[str, ...]:
    """Read which texts of its prompt a request calls the question.

    Raises:
        UsageError: They are no texts.
    """
    found = (given or {}).get("question")
    texts = [] if found is None else _listed(found)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise UsageError(
            f"`question` of vllm_xargs must be a text of the prompt, or a list of texts; got {found!r:.100}."
        )
    return tuple(str(text) for text in texts)


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _for_each(value: object, count: int, field: str) -> list[object]:
    """Return a value for each artifact: one value holds for all."""
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise UsageError(
            f"`{field}` of vllm_xargs must be one value, or a list with one for each artifact ({count}); got "
            f"{len(value)} of them."
        )
    return list(value)


def _wanted(artifact: object, strength: object, target: object) -> Wanted:
    if target is not None and not isinstance(target, str):
        raise UsageError(f"`target` of vllm_xargs must be the name of a modality; got {target!r:.100}.")
    if strength is None:
        return Wanted(str(artifact), None, target)
    check_strength(strength, "vllm_xargs")
    assert isinstance(strength, (int, float))
    return Wanted(str(artifact), float(strength), target)
