"""How much each attention head does for following an instruction: four scores.

The paper's own score is not public. ``direct`` follows its wording (a contribution in the answers' logits) and Hua et
al. (arXiv 2507.01790); the others are the causal checks of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.circuits.decomposition import decompose
from trimtab.circuits.donors import next_instructions
from trimtab.circuits.gradient import gradient_gates
from trimtab.circuits.readouts import intact, read_out
from trimtab.circuits.task import Case
from trimtab.engine import Capability, Edit, ModelOrEngine, Places, Read, ReplaceHeads, ScaleHeads, require, run
from trimtab.errors import UnsupportedMethodError, UsageError
from trimtab.modalities import PAIR, Modality, in_order
from trimtab.progress import SILENT, Progress, Within

ScoreName = Literal["direct", "gradient", "causal", "patching"]
Head = tuple[int, int]
"""A layer and a query head in it, both counted from 0."""


@dataclass(frozen=True, eq=False)
class HeadScores:
    """A score of every head on every case, positive where the head works for the named modality.

    ``patching`` and its direct part do not ask which modality is named: they are positive where the head carries what
    the two instructions differ in, and stay what they are if their labels are swapped.

    Attributes:
        name: Which score.
        values: ``(cases, layers, heads)``, float64.
        targets: The modality each case's instruction names.
        ids: The cases' items.
    """

    name: str
    values: Float[Tensor, "cases layers heads"]
    targets: tuple[Modality, ...]
    ids: tuple[str, ...]

    @property
    def signed(self) -> bool:
        """Whether the score changes its sign with the label of the instruction."""
        return not self.name.startswith("patching")

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the instructions name; the usual two where they name fewer."""
        named = in_order(self.targets)
        return named if len(named) > 1 else PAIR

    def mean(self, target: Modality | None = None) -> Float[Tensor, "layers heads"]:
        """Return the mean ``(layers, heads)`` over the cases of one instruction; None: the mean of all such means.

        Averaging the instructions leaves what follows the instruction: what a head does for one modality whatever was
        asked has opposite signs under it and under the others and cancels. Patching holds nothing of that kind.
        """
        if target is None:
            means = [self.mean(modality) for modality in self.modalities]
            return sum(means[1:], means[0]) / len(means)
        return self.values[self._under(target)].mean(0)

    def role(self, head: Head) -> str:
        """Return what a head does.

        ``router`` works for the named modality under every instruction, ``against`` against it under every one. A
        modality's name says that the head works for it alone, whatever is named; several are joined by ``+``. A score
        without a sign tells no role: the name is empty.
        """
        if not self.signed:
            return ""
        helped = [target for target in self.modalities if float(self.mean(target)[head]) > 0]
        if len(helped) == len(self.modalities):
            return "router"
        return "+".join(helped) or "against"

    def of_items(self, ids: set[str]) -> HeadScores:
        """Return the scores on the cases of some items."""
        kept = [number for number, own in enumerate(self.ids) if own in ids]
        if not kept:
            raise UsageError(f"`ids` of HeadScores must hold items that were scored; got {len(ids)} others.")
        return HeadScores(
            self.name,
            self.values[kept],
            tuple(self.targets[number] for number in kept),
            tuple(self.ids[number] for number in kept),
        )

    def _under(self, target: Modality) -> list[int]:
        found = [number for number, own in enumerate(self.targets) if own == target]
        if not found:
            raise UsageError(f"`cases` of HeadScores must hold some whose instruction names the {target}; got none.")
        return found


def head_scores(
    model: ModelOrEngine,
    cases: Sequence[Case],
    score: ScoreName = "direct",
    *,
    at: Places = ("last",),
    progress: Progress = SILENT,
) -> HeadScores:
    """Score every head on every case.

    - ``direct``: what the head adds to the exact margin at the last prompt token; see ``decompose``.
    - ``gradient``: the margin's derivative to a gate on the head's output at ``at``; it also sees what later layers
      make of it. Attribution patching with zero as the other state.
    - ``causal``: the margin of the intact model less that with the head silenced at ``at``.
    - ``patching``: how much of the way to the other instruction's margin the head's output at the last token takes,
      put from one instruction's prompt into the other's: the case's shift as a share of the mean way of all cases, so
      that a mean of it is a ratio of means, 0 none and 1 all. Needs all cases of each item, and is meant for items
      that follow all instructions, which alone have such a way. Of three modalities the next one's in the order of
      tables is the other.

    Args:
        model: The model.
        cases: The cases.
        score: Which score.
        at: Where heads are gated or silenced.
        progress: Told of rows as they finish.
    """
    scorers: dict[str, Callable[[], Tensor]] = {
        "direct": lambda: decompose(model, cases, progress=progress).heads,
        "gradient": lambda: gradient_gates(model, cases, at, progress),
        "causal": lambda: _causal(model, cases, at, progress),
        "patching": lambda: _patching(model, cases, progress),
    }
    if score not in scorers:
        raise UsageError(f"`score` of head_scores must be one of {', '.join(scorers)}; got {score!r}.")
    targets: tuple[Modality, ...] = tuple(case.target for case in cases)
    return HeadScores(score, scorers[score](), targets, tuple(case.item.id for case in cases))


def every_head(model: ModelOrEngine) -> list[Head]:
    """Return all heads, layer by layer."""
    return [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]


def _causal(model: ModelOrEngine, cases: Sequence[Case], at: Places, progress: Progress) -> Tensor:
    def silenced(layer: int, head: int) -> Callable[[Case], tuple[Edit, ...]]:
        return lambda _case: (ScaleHeads(layer, (head,), at, 0.0),)

    found = read_out(model, cases, [intact, *(silenced(*head) for head in every_head(model))], progress).margins
    return (found[:, :1] - found[:, 1:]).unflatten(1, (model.n_layers, model.n_heads))


def _patching(model: ModelOrEngine, cases: Sequence[Case], progress: Progress) -> Tensor:
    """Patch each head from another case of the same item; ``(m_patched - m_own) / mean(m_other - m_own)``.

    Margins are those of the named modality. The way is averaged over cases, since a share of a way that happens to be
    short would outweigh all others.
    """
    require(model, Capability.LOGITS, Capability.HEADS, Capability.EDIT_HEADS, owner="head_scores by patching")
    partner = next_instructions(cases)
    every = tuple(range(model.n_layers))
    outputs = run(model, [case.prompt for case in cases], Read(logits=False, heads=every), progress=progress).heads

    def patched(layer: int, head: int) -> Callable[[Case], tuple[Edit, ...]]:
        return lambda case: (ReplaceHeads(layer, (head,), ("last",), outputs[layer][partner[case], head][None]),)

    found = read_out(model, cases, [intact, *(patched(*head) for head in every_head(model))], progress).margins
    own, moved = found[:, 0], found[:, 1:]
    way = patched_way(model, cases, own, progress)
    return ((moved - own[:, None]) / way).unflatten(1, (model.n_layers, model.n_heads))


def patched_way(model: ModelOrEngine, cases: Sequence[Case], own: Tensor, progress: Progress = SILENT) -> Tensor:
    """Return the mean way from each case's margin to that of the same two answers under the next instruction.

    Of two modalities that instruction's own margin has the opposite sign on this case's scale, and the partners of all
    cases are all cases.

    Args:
        model: The model.
        cases: All cases of each item.
        own: Their margins, ``(cases,)``.
        progress: Told of rows as they finish.

    Raises:
        UsageError: There is no such way: the items do not follow all instructions.
    """
    if len({case.target for case in cases}) == 2:
        way = -2 * own.mean()
    else:
        partner = next_instructions(cases)
        elsewhere = [replace(case, prompt=cases[partner[case]].prompt) for case in cases]
        way = (read_out(model, elsewhere, progress=progress).margins[:, 0] - own).mean()
    if way >= 0:
        raise UsageError(
            "`cases` of the patching score must be of items that follow all instructions; got a mean margin of "
            f"{float(own.mean()):.3g} for the named modality; leave out the items that do not follow."
        )
    return way


def mean_outputs(
    model: ModelOrEngine, cases: Sequence[Case], at: Places = ("last",), progress: Progress = SILENT
) -> Float[Tensor, "layers heads head_dim"]:
    """Return each head's mean output over cases and over the spans in ``at``, ``(layers, heads, head_dim)``.

    Raises:
        UnsupportedMethodError: Layers' heads differ in width.
    """
    if len(set(model.head_dims)) > 1:
        raise UnsupportedMethodError(
            f"`reference` of a head set must be 'zero' for {model.name}, whose layers' heads differ in width; means of "
            "such heads are not kept together."
        )
    return _mean(model, cases, at, lambda outputs: outputs, progress)


def mean_norms(
    model: ModelOrEngine, cases: Sequence[Case], at: Places = ("last",), progress: Progress = SILENT
) -> Float[Tensor, "layers heads"]:
    """Return the mean norm of each head's output over cases and over the spans in ``at``, ``(layers, heads)``.

    It is not the norm of the mean output, which is next to nothing for a head whose outputs under two instructions
    are opposite.
    """
    return _mean(model, cases, at, lambda outputs: outputs.norm(dim=-1), progress)


def _mean(
    model: ModelOrEngine, cases: Sequence[Case], at: Places, of: Callable[[Tensor], Tensor], progress: Progress
) -> Tensor:
    """Average a property of the heads' outputs ``(tokens, heads, head_dim)`` over the prompt tokens of all cases."""
    every, spans = tuple(range(model.n_layers)), tuple(str(name) for name in at if name != "generated")
    read = Read(logits=False, heads=every, at="all" if "all" in spans else spans)
    sums, count = [], 0
    with progress.task("mean head outputs", len(cases)) as advance:
        for start, end in pairwise([*range(0, len(cases), 64), len(cases)]):
            heads = run(model, [case.prompt for case in cases[start:end]], read, progress=Within(advance)).heads
            count += sum(len(own) for own in heads[0])
            sums.append(torch.stack([of(torch.cat(list(heads[layer])).double()).sum(0) for layer in every]))
    return (torch.stack(sums).sum(0) / count).float()
