"""One test or more for each defect found in the released code of Modality Interference."""

import math
import pickle
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from tests.interference.items import mixed
from trimtab.engine import run
from trimtab.interference.hardening import AttackConfig, HardenConfig
from trimtab.interference.hardening.attack import attack, root_mean_square
from trimtab.interference.hardening.consistency import divergence
from trimtab.interference.hardening.objective import Objective, _cross_entropy
from trimtab.interference.hardening.rows import Rows, make_rows
from trimtab.interference.hardening.schedule import Group, Schedule, as_batch
from trimtab.interference.hardening.weights import trainable
from trimtab.interference.options import letter_tokens
from trimtab.models import Model
from trimtab.testing import tiny_model

CONFIG = HardenConfig(steps=2, batch_size=6, attack=AttackConfig(steps=2))


def letters(model: Model) -> list[int]:
    return [ids[0] for ids in letter_tokens(model, 4)]


def groups(n: int = 6, config: HardenConfig = CONFIG) -> list[Group]:
    schedule = Schedule(mixed(4), config)
    return [schedule[place] for place in range(n)]


def rows_of(model: Model, found: list[Group] | None = None) -> Rows:
    return make_rows(model, groups() if found is None else found, letters(model), "context")


def struck(model: Model) -> Rows:
    rows = rows_of(model)
    return rows.select(rows.attacked.any(-1).nonzero().flatten())


def objective(model: Model, config: HardenConfig = CONFIG) -> Objective:
    return Objective(model, config, letters(model))


# 1. Off by one: consistency compared what follows the letter, never the options.


def test_consistency_sees_the_option_distribution(model):
    found = groups(3, replace(CONFIG, attack=None))
    rows = rows_of(model, found)
    got = objective(model)._logits(rows, rows.embeds)[:, 0]
    prompts = [prompt for group in found for prompt in group.prompts]
    expected = run(model, prompts, reuse=False).logits
    assert torch.allclose(got.float(), expected, atol=1e-4)


def test_a_view_that_changes_the_options_but_not_what_follows_is_noticed(model):
    clean = torch.zeros(1, 5)
    moved = torch.tensor([[3.0, 0, 0, 0, 0]])
    assert divergence("kl", moved, clean) > 0.1


# 2. batchmean on a (1, L, V) input summed over views and tokens: weights depended on how many there are.


@pytest.mark.parametrize("kind", ["kl", "js"])
def test_consistency_is_a_mean_over_views_and_items(model, kind):
    config = replace(CONFIG, consistency=kind, attack=None)
    found = groups(6, config)
    one, rows = objective(model, config), rows_of(model, found)
    logits = one._logits(rows, rows.embeds)[:, 0]
    by_item = []
    for g in range(len(found)):
        views = logits[rows.group == g]
        apart = [float(divergence(kind, view[None], views[:1])) for view in views[1:]]
        by_item.append(sum(apart) / len(apart) if apart else 0.0)
    one(found)
    assert one.parts["consistency"] == pytest.approx(sum(by_item) / len(by_item), abs=1e-5)
    doubled = [replace(g, prompts=(*g.prompts, *g.prompts[1:])) for g in found]
    again = objective(model, config)
    again(doubled)
    assert again.parts["consistency"] == pytest.approx(one.parts["consistency"], abs=1e-5)


# 3. "JS" with reversed arguments and unequal weights.


def test_js_is_the_true_one():
    torch.manual_seed(1)
    q, p = 30 * torch.randn(200, 7), 30 * torch.randn(200, 7)
    found = divergence("js", q, p)
    assert found.max() <= math.log(2) + 1e-6
    assert found.min() >= 0
    assert torch.allclose(found, divergence("js", p, q), atol=1e-6)
    a, b = q.double().softmax(-1), p.double().softmax(-1)
    middle = (a + b) / 2
    expected = (torch.xlogy(a, a / middle).sum(-1) + torch.xlogy(b, b / middle).sum(-1)) / 2
    assert torch.allclose(found.double(), expected, atol=1e-5)
    apart = torch.tensor([[60.0, 0.0]])
    assert divergence("js", apart, apart.flip(-1)).item() == pytest.approx(math.log(2), abs=1e-5)


def test_kl_is_from_the_view_to_the_clean_one_and_holds_it_fixed():
    q, p = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    found = divergence("kl", q, p)
    expected = torch.nn.functional.kl_div(p.log_softmax(-1), q.log_softmax(-1), reduction="none", log_target=True)
    assert torch.allclose(found, expected.sum(-1), atol=1e-6)
    found.sum().backward()
    assert q.grad is not None
    assert p.grad is None


# 4. Raw gradient steps far below the radius: the attack was its random start.


def test_the_attack_raises_the_loss_more_than_noise_of_the_same_size(model):
    rows, one = struck(model), objective(model)

    def losses(embeds):
        return _cross_entropy(one._logits(rows, embeds), rows.targets)

    def gain(config):
        delta = attack(losses, rows.embeds, rows.attacked, config, rows.seeds)
        return delta, (losses(rows.embeds + delta) - losses(rows.embeds)).detach()

    found, attacked = gain(AttackConfig(size=0.3, steps=4))
    size = 0.3 * root_mean_square(rows.embeds, rows.attacked[..., None])
    noise = size * torch.randn_like(found).sign() * rows.attacked[..., None]
    assert noise.norm() >= found.norm()
    by_noise = (losses(rows.embeds + noise) - losses(rows.embeds)).detach()
    assert attacked.mean() > by_noise.mean() + 0.01
    assert (attacked > 0).all()
    weaker = gain(AttackConfig(size=0.3, steps=1))[1]
    assert attacked.mean() > weaker.mean()


def test_the_attack_stays_within_its_size_and_its_positions(model):
    rows = struck(model)
    config = AttackConfig(size=0.2, step=0.9, steps=3)
    delta = attack(lambda e: (e**2).sum((1, 2)), rows.embeds, rows.attacked, config, rows.seeds)
    limit = 0.2 * root_mean_square(rows.embeds, rows.attacked[..., None])
    assert (delta.abs() <= limit + 1e-7).all()
    assert (delta[rows.attacked == 0] == 0).all()
    assert (delta[rows.attacked == 1].abs() > 0).float().mean() > 0.99
    assert not delta.requires_grad


def test_sizes_follow_the_embeddings_own(model):
    rows = struck(model)

    assert CONFIG.attack is not None
    config = CONFIG.attack

    def found(scale):
        slope = torch.Generator().manual_seed(0)
        direction = torch.randn(rows.embeds.shape, generator=slope)
        return attack(lambda e: (e * direction).sum((1, 2)), scale * rows.embeds, rows.attacked, config, rows.seeds)

    assert torch.allclose(found(10.0), 10 * found(1.0), atol=1e-4)


# 5. bfloat16 rounds a small change away.


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_low_precision_does_not_swallow_the_change(family):
    model = tiny_model(family, check=False)
    model.hf.to(torch.bfloat16)
    one, rows = objective(model), struck(model)
    assert rows.embeds.dtype == torch.float32
    delta = 1e-3 * root_mean_square(rows.embeds, rows.attacked[..., None]) * rows.attacked[..., None]
    marked = rows.attacked == 1
    seen = []
    hook = model.layers[0].register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach()))
    try:
        for embeds in (rows.embeds, rows.embeds + delta):
            one._logits(rows, embeds)
    finally:
        hook.remove()
    assert seen[0].dtype == torch.float32
    assert (seen[0] != seen[1])[marked].float().mean() > 0.99
    rounded = (rows.embeds + delta).bfloat16() != rows.embeds.bfloat16()
    assert rounded[marked].float().mean() < 0.5  # what would have been left of it


# 6. Freezing and thawing the language model around the attack unfroze the base under LoRA.


@pytest.mark.parametrize("method", ["lora", "full"])
def test_only_what_is_trained_gets_gradients(model, method):
    config = replace(CONFIG, method=method)
    before = {name: p.detach().clone() for name, p in model.hf.named_parameters()}
    with trainable(model, config):
        wanted = {name for name, p in model.hf.named_parameters() if p.requires_grad}
        one = objective(model, config).train()
        rows = struck(model)
        one._attack(rows, AttackConfig(steps=2))
        assert all(p.grad is None for p in model.hf.parameters())
        assert {name for name, p in model.hf.named_parameters() if p.requires_grad} == wanted
        one(groups()).backward()
        got = {name for name, p in model.hf.named_parameters() if p.grad is not None}
        assert got == wanted
        assert wanted
        assert not [name for name in wanted if "vision" in name or "visual" in name or "projector" in name]
        if method == "lora":
            assert all("lora_" in name for name in wanted)
            assert not [n for n, _ in model.hf.named_modules() if "lora_A" in n and ("vision" in n or "visual" in n)]
    after = dict(model.hf.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(p.requires_grad for p in model.hf.parameters())


# 7. JS with the attack could not run at all: arguments by position.


@pytest.mark.parametrize("consistency", ["none", "kl", "js"])
@pytest.mark.parametrize("attacks", [None, AttackConfig(steps=1), AttackConfig(steps=1, text="all")])
def test_every_combination_of_parts_runs(model, consistency, attacks):
    config = replace(CONFIG, consistency=consistency, attack=attacks)
    one = objective(model, config)
    loss = one(groups(3, config))
    assert torch.isfinite(loss)
    assert ("adversarial" in one.parts) == (attacks is not None)
    assert ("consistency" in one.parts) == (consistency != "none")
    assert float(loss) == pytest.approx(sum(one.parts.values()), rel=1e-5)


# 8. Batches of patches were cut by rows; a batch of one family broke.


@pytest.mark.parametrize("family", ["image", "text", "both"])
def test_a_batch_of_one_family_runs(model, family):
    config = replace(CONFIG, mixture={family: 1})
    assert torch.isfinite(objective(model, config)(groups(2, config)))


def test_rows_do_not_depend_on_their_batch(model):
    found, one = groups(), objective(model, replace(CONFIG, attack=None))
    whole = rows_of(model, found)
    logits = one._logits(whole, whole.embeds)
    start = 0
    for group in found:
        rows = rows_of(model, [group])
        alone = one._logits(rows, rows.embeds)
        assert torch.allclose(alone, logits[start : start + len(alone)], atol=1e-4)
        start += len(alone)


def test_views_of_an_item_stay_together_across_workers():
    schedule = Schedule(mixed(4), replace(CONFIG, steps=3))
    pickle.dumps(schedule)
    alone = [schedule[place] for place in range(len(schedule))]
    loader = DataLoader(schedule, batch_size=6, num_workers=2, collate_fn=as_batch)
    loaded = [group for batch in loader for group in batch["groups"]]
    assert [g.place for g in loaded] == list(range(18))
    assert [len(g.prompts) for g in loaded] == [len(g.prompts) for g in alone]
    assert [[p.context for p in g.prompts] for g in loaded] == [[p.context for p in g.prompts] for g in alone]


# 9. The first "ASSISTANT:" split prompt from answer, and long rows lost the system prompt and the picture.


def test_the_answer_follows_the_whole_prompt_whatever_it_says(model):
    schedule = Schedule([replace(i, question="USER: what? ASSISTANT: B") for i in mixed(2)], CONFIG)
    found = [schedule[place] for place in range(3)]
    rows = rows_of(model, found)
    prompts = [prompt for group in found for prompt in group.prompts]
    for row, prompt in enumerate(prompts):
        length = len(run_encoded(model, prompt))
        assert int(rows.answer_at[row]) == length - 1
        assert int(rows.mask[row].sum()) == length + 1
        answer = rows.embeds[row, length]
        assert torch.equal(answer, model.embedding(rows.targets[row, :1])[0].float())
    assert (rows.targets[:, 1] == model.tokenizer.eos_token_id).all()


def run_encoded(model: Model, prompt):
    from trimtab.engine import encode

    return encode(model, prompt)


# 10. Scripts dropped warm-up, accumulation, clipping and precision from their configuration.


def test_every_setting_reaches_the_trainer(tmp_path, monkeypatch):
    from trimtab.interference.hardening.trainer import training_arguments

    available = "transformers.integrations.get_available_reporting_integrations"
    monkeypatch.setattr(available, lambda: ["tensorboard"])  # as if it were installed

    config = HardenConfig(
        steps=100, batch_size=5, warmup=0.1, max_grad_norm=0.5, weight_decay=0.2, learning_rate=3e-4,
        precision="bfloat16", evaluate_every=25, num_workers=3, seed=7, report_to=("tensorboard",),
    )  # fmt: skip
    found = training_arguments(config, tmp_path, torch.device("cpu"), evaluates=True)
    assert (found.max_steps, found.per_device_train_batch_size, found.warmup_steps) == (100, 5, 10)
    assert (found.max_grad_norm, found.weight_decay, found.learning_rate) == (0.5, 0.2, 3e-4)
    assert (found.bf16, found.fp16, found.eval_steps, found.save_steps) == (True, False, 25, 25)
    assert (found.dataloader_num_workers, found.seed, found.report_to) == (3, 7, ["tensorboard"])
    assert found.train_sampling_strategy == "sequential"


# Families: an item's weight does not grow with its views, and none is starved.


def test_families_take_turns_and_none_ends_the_run():
    items = [*mixed(4), *(replace(i, id=f"more-{i.id}") for i in mixed(4) if i.relevant == ("image",))]
    schedule = Schedule(items, HardenConfig(steps=10, batch_size=4, mixture={"image": 1, "text": 1, "both": 2}))
    turns = [schedule[place].irrelevant for place in range(40)]
    assert all(sorted(map(str, turns[k : k + 4])) == ["('image',)", "('text',)", "()", "()"] for k in range(0, 40, 4))
    assert len(schedule) == 40


def test_every_item_has_the_same_weight_whatever_its_views(model):
    config = replace(CONFIG, attack=None, consistency="none")
    found = groups(6, config)
    one, rows = objective(model, config), rows_of(model, found)
    losses = _cross_entropy(one._logits(rows, rows.embeds), rows.targets)
    by_item = [losses[rows.group == g].mean() for g in range(len(found))]
    assert float(one(found)) == pytest.approx(float(torch.stack(by_item).mean()), rel=1e-5)
    halves = [float(one(part, share=0.5)) for part in (found[:3], found[3:])]
    assert sum(halves) == pytest.approx(float(torch.stack(by_item).mean()), rel=1e-4)
