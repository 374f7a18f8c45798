"""A model as a program that evaluates knows it: loaded by trimtab, plain or steered, and asked in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.engine import Decoding, Prompt, Receipt, Row, admit, generate
from trimtab.errors import UnsupportedMethodError, UsageError
from trimtab.fields import check_value
from trimtab.integrations.evals.likelihoods import Likelihood, likelihoods
from trimtab.modalities import MODALITIES
from trimtab.models import Model, load
from trimtab.nearest import did_you_mean
from trimtab.steering import Ask
from trimtab.studies.kit.artifacts import AnyArtifact, load_any_artifact
from trimtab.studies.kit.length import answer_length
from trimtab.studies.kit.loading import LOADING, check_loading

STEERING: dict[str, Any] = {"artifact": str, "strength": float, "target": str}
OPTIONS = ("pretrained", *STEERING, *LOADING)
"""What a program's user may say of a model."""


@dataclass(frozen=True, eq=False)
class Replies:
    """Replies to prompts, in their order.

    Attributes:
        texts: The replies; empty for a prompt that is in ``refused`` or ``broken``.
        refused: Why the model cannot take a prompt, by its place.
        broken: Why a steered prompt has no reply, by its place: its numbers were not finite.
        receipt: What the edits touched.
    """

    texts: list[str]
    refused: Mapping[int, str]
    broken: Mapping[int, str]
    receipt: Receipt


@dataclass(frozen=True, eq=False)
class Steered:
    """A model, plain or steered.

    Attributes:
        model: The model.
        artifact: What steers it; None leaves it plain.
        strength: Of the steering; None is the artifact's own.
        longest: Longest reply in tokens where the program says nothing.
        batch_size: Prompts of a batch; None for as many as fit in memory.
    """

    model: Model
    artifact: AnyArtifact | None = None
    strength: float | None = None
    longest: int = 16
    batch_size: int | None = None

    @property
    def name(self) -> str:
        """The model, and what steers it."""
        if self.artifact is None:
            return self.model.name
        strength = self.artifact.strength if self.strength is None else self.strength
        return f"{self.model.name} under {self.artifact.name} toward the {self.artifact.target} at {strength:g}"

    def asks(self, prompts: Sequence[Prompt]) -> list[Ask]:
        """Return what to ask the engine for each prompt."""
        if self.artifact is None:
            return [Row(prompt) for prompt in prompts]
        return list(self.artifact.asks(self.model, prompts, self.strength))

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, max_new_tokens: int | None = None) -> Replies:
        """Answer prompts; one that the model cannot take costs itself alone.

        Args:
            prompts: The prompts.
            decoding: How tokens are chosen.
            max_new_tokens: Longest reply in tokens.
        """
        longest = max_new_tokens or self.longest
        refused = self._refused(prompts, longest)
        taken = [place for place in range(len(prompts)) if place not in refused]
        texts = [""] * len(prompts)
        if not taken:
            return Replies(texts, refused, {}, Receipt())
        found = generate(
            self.model,
            self.asks([prompts[place] for place in taken]),
            max_new_tokens=longest,
            decoding=decoding,
            batch_size=self.batch_size,
            keep_broken=True,
        )
        for place, text in zip(taken, found.texts, strict=True):
            texts[place] = text
        return Replies(texts, refused, {taken[k]: why for k, why in found.broken.items()}, found.receipt)

    def likelihoods(self, prompt: Prompt, continuations: Sequence[str]) -> tuple[list[Likelihood], Receipt]:
        """Return how likely the model finds each of some replies to a prompt.

        Raises:
            UnsupportedMethodError: The method answers by several rows, which give no probability to a whole reply.
        """
        ask = self.asks([prompt])[0]
        if not isinstance(ask, Row):
            raise UnsupportedMethodError(
                f"`artifact` must answer by one row where likelihoods are asked for; {self.name} contrasts several; "
                "choose another, or a task that generates."
            )
        return likelihoods(self.model, ask, continuations)

    def _refused(self, prompts: Sequence[Prompt], longest: int) -> dict[int, str]:
        """Say which prompts the model cannot take, as they are or as the method puts them."""
        refused = admit(self.model, prompts, new_tokens=longest)
        if self.artifact is not None:
            asked = [self.artifact.asked(prompt) for prompt in prompts]
            changed = [k for k, one in enumerate(asked) if one is not prompts[k] and k not in refused]
            found = admit(self.model, [asked[k] for k in changed], new_tokens=longest)
            refused |= {changed[k]: why for k, why in found.items()}
        return refused


def load_steered(options: Mapping[str, Any], owner: str, batch_size: int | None = None) -> Steered:
    """Load a model as a program's user describes it.

    Args:
        options: ``pretrained``, what ``trimtab.load`` takes: a bundled name, a folder or a Hub id. ``artifact``, a
            folder, with ``strength``, its own if left out, and ``target``, a check of whom it makes the model follow.
            And the options of ``trimtab.load`` by their names.
        owner: What the program calls these options.
        batch_size: Prompts of a batch; None for as many as fit in memory.

    Raises:
        UsageError: An option is unknown, missing, of another type, or does not fit the others.
        ArtifactError: The artifact was made for another model.
        UnsupportedModelError: The model is of an unknown family, or failed its self-check.
    """
    given = _checked({name: value for name, value in options.items() if value is not None}, owner)
    loading = {name: given[name] for name in LOADING if name in given}
    if loading.get("max_pixels") == 0:
        loading["max_pixels"] = None  # as on the command line: the checkpoint's own limit
    model = load(given["pretrained"], **loading)
    artifact = None
    if "artifact" in given:
        artifact = load_any_artifact(given["artifact"], model)
        if given.get("target", artifact.target) != artifact.target:
            raise UsageError(
                f"`target` of {owner} must be that of the artifact, {artifact.target}; got {given['target']!r}; leave "
                "it out, or name the artifact toward it."
            )
    longest = answer_length([given["pretrained"]])
    return Steered(model, artifact, given.get("strength"), longest, batch_size)


def _checked(given: dict[str, Any], owner: str) -> dict[str, Any]:
    """Refuse options before anything is loaded."""
    for name in given:
        if name not in OPTIONS:
            raise UsageError(
                f"`{owner}` must be among {', '.join(OPTIONS)}; got {name!r}" + did_you_mean(name, OPTIONS)
            )
    if "pretrained" not in given:
        raise UsageError(
            f"`pretrained` of {owner} must name the model; it is missing; give a bundled name, a folder or a Hub id."
        )
    # Programs read "7" as a number, also where it is the name of a folder.
    given |= {name: str(given[name]) for name in ("pretrained", "artifact") if type(given.get(name)) is int}
    check_value("pretrained", owner, str, given["pretrained"])
    for name, kind in STEERING.items():
        if name in given:
            check_value(name, owner, kind, given[name])
            if "artifact" not in given:
                raise UsageError(f"`{name}` of {owner} must come with an artifact to steer with; add artifact=FOLDER.")
    if given.get("target", MODALITIES[0]) not in MODALITIES:
        raise UsageError(
            f"`target` of {owner} must be one of {', '.join(MODALITIES)}; got {given['target']!r}"
            + did_you_mean(given["target"], MODALITIES)
        )
    check_loading(owner, {name: value for name, value in given.items() if name in LOADING})
    return given
