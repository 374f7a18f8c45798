"""Methods of the field that decode beside another reading of the model: IKOD and iTaD."""

from dataclasses import replace

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from tests.steering.scores import first_scores
from trimtab.contribution import attention_to
from trimtab.divergences import js
from trimtab.engine import Contrast, MergeKeys, Prompt, Row, SkipLayers, encode, run
from trimtab.engine.local.whitebox import attention
from trimtab.errors import UnsupportedMethodError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.steering import ITaD
from trimtab.steering.itad import EarlyExitChooser
from trimtab.testing import tiny_model


def prompts() -> list[Prompt]:
    return [prompt_for(item) for item in held_out_items()]


@pytest.mark.parametrize("target", ["image", "text"])
def test_ikod_adds_the_merged_answer(model: Model, target: str):
    artifact = quick("ikod", target=target, kept=0.5, plausibility=1e-6).fit(model, ())
    span = "image" if target == "image" else "context"
    merge = MergeKeys((span,), ("last", "generated"), tuple(range(model.n_layers)), 1.0, 0.5)
    plain, merged = (run(model, [Row(p, edits) for p in prompts()]).logits.log_softmax(-1) for edits in ((), (merge,)))
    expected = (plain + 2.0 * merged).log_softmax(-1)
    assert torch.allclose(first_scores(model, artifact.asks(model, prompts(), 2.0)), expected, atol=1e-4)
    bare = prompts()[0].without(target)  # pyright: ignore
    assert all(isinstance(ask, Row) for ask in artifact.asks(model, [bare], 2.0))


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_5", "paligemma", "gemma3", "gemma4"])
def test_attention_to_a_modality_is_that_of_the_models_own_attention(family: str):
    model = tiny_model(family)
    found = attention_to(model, prompts(), "image")
    kept: list[torch.Tensor] = []
    for module in model.attentions.values():
        module.register_forward_hook(lambda _m, _args, output: kept.append(output[1][0, :, -1]))
    for prompt, own in zip(prompts(), found, strict=True):
        kept.clear()
        with attention(model, "eager"):
            run(model, [prompt], reuse=False)
        image = encode(model, prompt).spans["image"]
        assert own.shape == (model.n_layers, model.n_heads, len(image))
        assert torch.allclose(own[list(model.attends)], torch.stack(kept)[..., image], atol=1e-5)
        assert own[[not attends for attends in model.attends]].isnan().all()
    assert attention_to(model, [], "image") == []


def test_itad_exits_where_the_picture_is_looked_at_least_alike():
    seen = torch.rand(5, 3, 7, generator=torch.Generator().manual_seed(0))
    looks = seen.amax(1).double().log_softmax(-1)
    apart = [float(js(looks[layer], looks[4])) for layer in (1, 3)]
    chooser = EarlyExitChooser("image", [1, 3], 4, 0.1)
    assert chooser.exit(seen) == (1, 3)[apart.index(max(apart))]
    seen[3] = seen[4]
    assert chooser.exit(seen) == 1


def test_itad_takes_the_early_answer_away(model: Model):
    artifact = ITaD(plausibility=1e-6).fit(model, ())
    asks = artifact.asks(model, prompts(), 1.0)
    early = SkipLayers(tuple(range(2, model.n_layers)), ("last", "generated"))  # of 4 layers, the second alone
    plain, exited = (run(model, [Row(p, edits) for p in prompts()]).logits.log_softmax(-1) for edits in ((), (early,)))
    assert all(isinstance(ask, Contrast) for ask in asks)
    assert torch.allclose(first_scores(model, asks), (plain - exited).log_softmax(-1), atol=1e-4)


def test_itad_is_refused_where_a_candidate_has_no_attention():
    model = tiny_model("qwen3_5", layers=8)
    artifact = ITaD().fit(model, ())
    assert artifact.asks(model, prompts(), 1.0)  # its candidate attends
    idle = replace(artifact, chooser=EarlyExitChooser("image", [0, 1], 7, 0.1))
    with pytest.raises(UnsupportedMethodError, match="must attend in each layer .* carries a state instead in layer 0"):
        idle.asks(model, prompts(), 1.0)


def test_itads_candidates_are_the_papers_share_of_the_depth():
    def layers(count: int) -> list[int]:
        chooser = ITaD().fit(tiny_model(layers=count, check=False)).chooser
        assert isinstance(chooser, EarlyExitChooser)
        return list(chooser.layers)

    assert layers(12) == [1, 3]
    assert layers(32) == [1, 3, 5, 7, 9, 11, 13]
    with pytest.raises(UnsupportedMethodError, match="at least 3 layers"):
        layers(2)
