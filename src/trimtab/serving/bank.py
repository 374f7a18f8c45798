"""The artifacts that a server offers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trimtab.artifact_folder import artifact_digest, method_of
from trimtab.circuits import HeadSet, load_heads
from trimtab.engine import Identified
from trimtab.errors import ArtifactError, UsageError
from trimtab.serving.offers import Offer, check_offered
from trimtab.serving.wire import Wanted
from trimtab.steering import load_steering

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Bank:
    """Artifacts by name and target.

    Attributes:
        model: What they must have been fitted on.
    """

    def __init__(self, model: Identified) -> None:
        self.model = model
        self._offers: dict[tuple[str, str], Offer] = {}

    def __iter__(self) -> Iterator[Offer]:
        return iter(list(self._offers.values()))

    def read(self, name: str, folder: Path) -> Offer:
        """Read an artifact that may be offered, without offering it.

        Raises:
            ArtifactError: It is broken, for another model, or is being replaced.
            UnsupportedMethodError: A server cannot do what it asks.
            UsageError: The name is not one that a request can give.
        """
        check_name(name)
        digest = artifact_digest(folder)
        load = load_heads if method_of(folder) == HeadSet.method else load_steering
        artifact = load(folder, self.model)
        check_offered(artifact)
        if artifact_digest(folder) != digest:
            raise ArtifactError(f"artifact {folder} must not be replaced while it is read; add it again.")
        return Offer(name, digest, artifact)

    def put(self, offer: Offer) -> set[str]:
        """Offer an artifact; one of the same name and target is replaced.

        Returns:
            The digest that nothing is offered by any more, if there is one.
        """
        key = offer.name, offer.artifact.target
        before = self._offers.get(key)
        self._offers[key] = offer
        return self._unused([] if before is None else [before])

    def remove(self, name: str, target: str | None = None) -> set[str]:
        """Stop offering an artifact, or those of all targets under a name.

        Returns:
            The digests that nothing is offered by any more.

        Raises:
            UsageError: There is none.
        """
        gone = [key for key in self._offers if key[0] == name and target in (None, key[1])]
        if not gone:
            raise self._unknown(name)
        return self._unused([self._offers.pop(key) for key in gone])

    def _unused(self, gone: list[Offer]) -> set[str]:
        """Return the digests of offers that no other one has: one content may have several names."""
        return {offer.digest for offer in gone} - {offer.digest for offer in self}

    def find(self, wanted: Wanted) -> Offer:
        """Return what a request asks for.

        Raises:
            UsageError: There is no such artifact, or there are several and the request does not say which.
        """
        named = {target: offer for (name, target), offer in self._offers.items() if name == wanted.artifact}
        if not named:
            raise self._unknown(wanted.artifact)
        if wanted.target is None and len(named) > 1:
            raise UsageError(
                f"`target` of vllm_xargs must say which artifact {wanted.artifact!r} is meant; there is one for each "
                f"of {', '.join(named)}; give one of them."
            )
        offer = named.get(wanted.target) if wanted.target is not None else next(iter(named.values()))
        if offer is None:
            raise UsageError(
                f"`target` of vllm_xargs must be one that artifact {wanted.artifact!r} steers toward "
                f"({', '.join(named)}); got {wanted.target!r:.100}."
            )
        return offer

    def about(self) -> list[dict[str, Any]]:
        """Return what is told of each artifact."""
        return [offer.about() for offer in self]

    def _unknown(self, name: str) -> UsageError:
        known = ", ".join(sorted({name for name, _target in self._offers})) or "none"
        return UsageError(f"`artifact` must be one that the server offers ({known}); got {name!r:.100}.")


def check_name(name: object) -> None:
    """Refuse a name that is not plain: letters, digits, points, dashes and underscores.

    Raises:
        UsageError: With the rule.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(
            "`name` of an artifact must be up to 64 letters, digits, points, dashes and underscores; got "
            f"{name!r:.100}; rename its folder."
        )
