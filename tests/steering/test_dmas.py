"""DMAS: the heads' vectors, their clusters, and which a prompt gets."""

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items
from trimtab.engine import Read, Row, ShiftHeads, encode, run
from trimtab.errors import UnsupportedMethodError, UsageError
from trimtab.items.prompts import answer_ids, prompt_for
from trimtab.models import Model
from trimtab.steering import DMAS, TrainingSet
from trimtab.steering.dmas import ClusterChooser
from trimtab.steering.dmas.clusters import clustered, denoised, strongest
from trimtab.steering.dmas.heads import answer_differences, perception_differences


def test_differences_are_those_of_forced_answers_and_of_what_is_taken_away(model: Model, train: TrainingSet):
    found, seen = answer_differences(train, "text"), perception_differences(train, "text")
    for place, item in enumerate(train.items):
        prompt = encode(model, prompt_for(item))
        forced = [prompt.followed_by(answer_ids(model, prompt, item.answer_of(m))) for m in ("text", "image")]
        shown = [prompt_for(item), prompt_for(item).without("text")]
        for rows, difference in ((forced, found[place]), (shown, seen[place])):
            heads = run(model, rows, Read(logits=False, heads=(0, 2)), reuse=False).heads
            for layer in (0, 2):
                assert torch.allclose(difference[layer], heads[layer][0] - heads[layer][1], atol=1e-4)


def test_clusters_are_groups_of_like_states():
    g = torch.Generator().manual_seed(0)
    groups = torch.eye(3).repeat_interleave(10, 0)
    centres, member = clustered(groups + 0.05 * torch.randn(30, 3, generator=g), 3, seed=1)
    assert len(centres) == 3
    assert [len(set(member[k : k + 10].tolist())) for k in (0, 10, 20)] == [1, 1, 1]
    assert len(set(member.tolist())) == 3
    few, member = clustered(torch.ones(5, 3), 4, seed=0)
    assert (len(few), member.tolist()) == (1, [0] * 5)


def test_only_the_main_components_and_the_strongest_heads_are_kept():
    g = torch.Generator().manual_seed(0)
    main = torch.randn(1, 2, 3, 4, generator=g)
    noisy = torch.randn(20, 1, 1, 1, generator=g) * main + 0.01 * torch.randn(20, 2, 3, 4, generator=g)
    kept = denoised(noisy, 0.9)
    assert int(torch.linalg.matrix_rank(kept.flatten(1), tol=1e-3)) == 1
    assert (kept - noisy).abs().max() < 0.1
    assert torch.allclose(denoised(noisy, 1.0), noisy, atol=1e-4)
    marked = strongest(torch.arange(24.0).view(2, 3, 4), 1 / 3)
    assert marked.flatten().tolist() == [False] * 4 + [True] * 2


def test_seeds_share_what_is_measured(model: Model, train: TrainingSet, monkeypatch: pytest.MonkeyPatch):
    shared = TrainingSet(model, train.items, [1])
    first = quick("dmas", clusters=3, seed=0).fit(model, shared)
    for name in ("answer_differences", "perception_differences"):
        monkeypatch.setattr(f"trimtab.steering.dmas.method.{name}", lambda *_: pytest.fail("measured again"))
    again = quick("dmas", clusters=3, seed=1).fit(model, shared)
    assert first.metrics["train"]["items"] == again.metrics["train"]["items"]


def test_a_prompt_gets_the_vectors_of_the_cluster_that_it_is_most_like(model: Model, train: TrainingSet):
    artifact = quick("dmas", clusters=3, heads=0.2).fit(model, train)
    chooser = artifact.chooser
    assert isinstance(chooser, ClusterChooser)
    assert sum(artifact.metrics["train"]["clusters"]) == len(train.items)
    prompts = [prompt_for(item) for item in held_out_items()]
    states = run(model, prompts, Read(logits=False, hidden=(chooser.layer,))).hidden[chooser.layer] - chooser.center
    nearest = torch.cosine_similarity(states[:, None], chooser.keys[None], dim=-1).argmax(-1).tolist()
    for row, cluster in zip(artifact.asks(model, prompts, 2.0), nearest, strict=True):
        assert isinstance(row, Row)
        shifted = []
        for edit in row.edits:
            assert isinstance(edit, ShiftHeads)
            assert edit.values is not None
            assert edit.strength == 2.0
            shifted += [(edit.layer, head, value) for head, value in zip(edit.heads, edit.values, strict=True)]
        assert [(layer, head) for layer, head, _ in shifted] == list(zip(chooser.layers, chooser.heads, strict=True))
        assert torch.equal(torch.stack([value for *_, value in shifted]), chooser.shifts[cluster])


def test_without_perception_only_the_strongest_heads_of_the_answers_are_shifted(model: Model, train: TrainingSet):
    found = quick("dmas", heads=0.25, perception=0.0).fit(model, train)
    assert found.metrics["train"]["heads"] == round(0.25 * model.n_layers * model.n_heads)
    both = quick("dmas", heads=0.25).fit(model, train)
    assert both.metrics["train"]["heads"] >= found.metrics["train"]["heads"]


def test_items_without_answers_and_unlike_heads_are_refused(model: Model, monkeypatch: pytest.MonkeyPatch):
    item = held_out_items()[0]
    lacking = item.replace(id="lacking", relevant="image", answer_text="")
    with pytest.raises(UsageError, match="answer_text"):
        DMAS().fit(model, [item, lacking])
    monkeypatch.setattr(type(model), "head_dims", (16, 16, 32, 16))
    with pytest.raises(UnsupportedMethodError, match="one width"):
        DMAS().fit(model, [item])
