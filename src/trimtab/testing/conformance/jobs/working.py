"""The jobs of the papers: knockout, scores of heads, contributions, hardening."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.circuits import Case, decompose, head_scores, read_out
from trimtab.contribution import MCS, measure
from trimtab.engine import BlockAttention, Read, Row, ScaleHeads, encode, run
from trimtab.engine.local.whitebox import attention
from trimtab.errors import UnsupportedMethodError
from trimtab.interference import HardenConfig, harden
from trimtab.testing.conformance.comparing import moved, same
from trimtab.testing.conformance.outcomes import job
from trimtab.testing.conformance.subject import CHOICES, Subject

SEEDS, DRAWS = 8, 48
STEP = 1e-2
"""Change of a head's factor in a finite difference."""


@job
def knockout(subject: Subject) -> None:
    """Edges cut by the engine are those cut out of the mask that the model's own forward makes."""
    model, kind = subject.model, subject.kinds[0]
    encoded = encode(model, subject.prompt)
    targets = (*subject.behind(encoded, kind), len(encoded) - 1)
    with attention(model, "eager"):
        for layers in (subject.attending[:1], subject.attending[1:]):
            edit = BlockAttention((kind,), targets, layers)
            found = run(model, [Row(encoded, (edit,))]).logits
            with ExitStack() as hooks:
                for layer in layers:
                    cut = _cutting(encoded.spans[kind], torch.tensor(targets))
                    handle = model.attentions[layer].register_forward_pre_hook(cut, with_kwargs=True)
                    hooks.callback(handle.remove)
                own = subject.own_logits(encoded)[-1:]
            same(f"logits, layers {layers}", found, own)
            moved(f"logits, layers {layers}", found, subject.own_logits(encoded)[-1:])


def _cutting(
    sources: Tensor, targets: Tensor
) -> Callable[[nn.Module, tuple, dict[str, Any]], tuple[tuple, dict[str, Any]]]:
    """Return a hook on an attention that hides sources from targets in the mask it is given."""

    def cut(_module: nn.Module, args: tuple, given: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        mask = given["attention_mask"].clone()
        mask[:, :, targets[:, None], sources] = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
        return args, {**given, "attention_mask": mask}

    return cut


@job
def head_gradients(subject: Subject) -> None:
    """Gradient scores of heads are finite differences of the margin."""
    model = subject.model
    # With one token on each side the margin has no maximum in it, and is smooth.
    cases = [replace(case, following=case.following[:1], competing=case.competing[:1]) for case in subject.cases]
    found = head_scores(model, cases, "gradient").values
    largest = float(found.abs().max())
    for layer, head in zip(subject.attending, (*subject.heads, 0), strict=False):

        def scaled(factor: float, layer: int = layer, head: int = head) -> Callable[[Case], tuple[ScaleHeads]]:
            return lambda _case: (ScaleHeads(layer, (head,), ("last",), factor),)

        up, down = read_out(model, cases, [scaled(1 + STEP), scaled(1 - STEP)]).margins.T
        expected = (up - down) / (2 * STEP)
        difference = float((found[:, layer, head] - expected).abs().max()) / largest
        assert difference < 2e-2, f"head {head} of layer {layer}: {difference:.2g} of the largest gradient"


@job
def direct_parts(subject: Subject) -> None:
    """What the embedding, heads and MLPs add to the margin directly sums to the margin, before logits are capped."""
    model, cases = subject.model, subject.cases
    last = model.n_layers - 1
    found = run(model, [case.prompt for case in cases], Read(hidden=(last,)))
    logits = model.lm_head(model.normed(found.hidden[last]).to(model.dtype)).float()
    same("logits of the last layer's states", model.capped(logits), found.logits)
    margins = [
        float(o[list(c.following)].amax() - o[list(c.competing)].amax()) for o, c in zip(logits, cases, strict=True)
    ]
    same("margins", decompose(model, cases).total, torch.tensor(margins), tolerance=1e-4)


@job
def contribution(subject: Subject) -> None:
    """The exact score (MCS) of each modality is what sampled scores tend to."""
    items, exact = subject.items[:1], MCS(top_tokens=subject.model.text_config.vocab_size)
    measured = measure(subject.model, items, method=exact)
    if measured.skipped:  # as longer than a layer's window, which is short in a tiny model
        raise UnsupportedMethodError(measured.skipped[0].reason)
    limit = measured[0].scores
    sampled = [MCS(estimator="sampled", sigmas=(0.01,), draws=DRAWS, seed=seed) for seed in range(SEEDS)]
    scores = [measure(subject.model, items, method=method)[0].scores for method in sampled]
    for kind, expected in limit.items():
        found = torch.tensor([own[kind] for own in scores], dtype=torch.float64)
        allowed = 6 * float(found.std()) / SEEDS**0.5 + 0.01 * expected
        difference = abs(float(found.mean()) - expected)
        assert expected > 0, f"the score of {kind} is {expected}"
        assert difference <= allowed, f"{kind}: sampled {found.mean():.4g}, exact {expected:.4g}; {allowed:.2g} allowed"


@job
def hardening(subject: Subject) -> None:
    """Adapters on every layer are trained: the loss falls, the model itself stays bit for bit as it was."""
    model, kind = subject.model, subject.kinds[0]
    before = {name: tensor.clone() for name, tensor in model.hf.state_dict().items()}
    answers: dict[str, Any] = {f"answer_{kind}": CHOICES[0]}
    items = [item.replace(choices=CHOICES, relevant=kind, answer_text=CHOICES[1], **answers) for item in subject.items]
    config = HardenConfig(
        perturbations=("unrelated_text", "misleading_text"), steps=8, batch_size=2, learning_rate=1e-2, warmup=0.0
    )
    with tempfile.TemporaryDirectory(prefix="trimtab-conformance-") as folder:
        found = harden(model, items, Path(folder) / "out", config)
        trained = _trained_layers(found.folder, model.n_layers)
    losses = [entry["loss"] for entry in found.record["log"] if "loss" in entry]
    assert losses[-1] < 0.9 * losses[0], f"losses {losses}"
    assert trained == model.n_layers, f"adapters of {trained} of {model.n_layers} layers were trained"
    for name, tensor in model.hf.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{name} is not as it was"


def _trained_layers(folder: Path, n_layers: int) -> int:
    """Return how many layers have an adapter that is not what it began as, a product with zero."""
    from safetensors.torch import load_file

    found = load_file(folder / "adapter_model.safetensors")
    names = [name for name, weight in found.items() if "lora_B" in name and bool(weight.any())]
    layers = {int(number) for name in names for number in re.findall(r"layers\.(\d+)\.", name)}
    return len(layers & set(range(n_layers)))
