"""The contract every steering method keeps, on every family."""

import re

import pytest
import torch

from tests.steering.conftest import quick
from tests.steering.items import held_out_items, train_items
from tests.steering.scores import first_scores
from trimtab.engine import AddVector, Contrast, Predictor, Prompt, Read, Row, combine, encode, generate, run
from trimtab.errors import ArtifactError, UsageError
from trimtab.items.prompts import INSTRUCTIONS, prompt_for
from trimtab.models import Model
from trimtab.steering import METHODS, Artifact, TrainingSet, load_steering
from trimtab.testing import tiny_model

TOLERANCE = 1e-5
IDLE = {"none"}
"""Methods that leave the model as it is, by design; every other one must act on the test model."""


def prompts() -> list[Prompt]:
    return [prompt_for(item) for item in held_out_items()]


def test_the_registry_knows_methods_by_their_names():
    assert {"none", "instruction", "drop", "mean", "l2s", "amps", "autotrim", "learned_trim", "vdd"} <= set(METHODS)
    assert all(METHODS[name].name == name for name in METHODS)


def test_methods_say_what_reports_call_them_and_set_them_beside():
    for method in METHODS.values():
        assert re.fullmatch("#[0-9A-F]{6}", method.colour)
        assert set(method.compared_with) <= set(METHODS) - {method.name}
    assert len({method.title for method in METHODS.values()}) == len(METHODS)


def test_a_method_has_a_strength_to_tune_exactly_if_its_artifact_has(method: str, artifact: Artifact):
    assert artifact.has_strength == METHODS[method].has_strength


def test_strength_zero_is_exactly_the_unsteered_model(model: Model, artifact: Artifact):
    plain = first_scores(model, [Row(p) for p in prompts()])
    assert torch.equal(first_scores(model, artifact.asks(model, prompts(), strength=0)), plain)


def test_a_row_alone_equals_the_row_in_a_padded_batch(model: Model, artifact: Artifact):
    together = first_scores(model, artifact.asks(model, prompts(), 2.0))
    alone = torch.cat([first_scores(model, artifact.asks(model, [p], 2.0)) for p in prompts()])
    finite = together.isfinite()
    assert torch.equal(finite, alone.isfinite())
    assert (together - alone)[finite].abs().max() < 10 * TOLERANCE * alone[finite].abs().max()


def test_a_method_acts(model: Model, method: str, artifact: Artifact):
    """Without this, whatever follows could compare the unsteered model with itself."""
    steered = first_scores(model, artifact.asks(model, prompts(), 2.0))
    plain = first_scores(model, [Row(p) for p in prompts()])
    moved = (steered != plain).any(-1)
    assert bool(moved.any()) == (method not in IDLE)


def test_cached_equals_uncached(model: Model, artifact: Artifact):
    asks = [ask for s in (0.5, 2.0) for ask in artifact.asks(model, prompts(), s)]
    fast, slow = first_scores(model, asks), torch.cat([plain_scores(model, ask) for ask in asks])
    seen = slow.isfinite()
    assert torch.equal(fast.isfinite(), seen)
    assert (fast - slow)[seen].abs().max() < TOLERANCE * slow[seen].abs().max()
    rows = [ask for ask in asks if isinstance(ask, Row)]  # tests/engine/test_contrast.py has contrasts' tokens
    if rows:
        cached, uncached = (generate(model, rows[::2], max_new_tokens=3, reuse=r).tokens for r in (True, False))
        assert cached == uncached


def plain_scores(model: Model, ask: Row | Contrast) -> torch.Tensor:
    """The first answer token's log-probabilities, each branch alone by the model's own forward pass."""
    if isinstance(ask, Row):
        return run(model, [ask], reuse=False).logits.log_softmax(-1)
    return combine(run(model, ask.rows, reuse=False).logits, [ask]).log_softmax(-1)


def test_a_saved_artifact_is_the_same_artifact(model: Model, artifact: Artifact, tmp_path):
    again = load_steering(artifact.save(tmp_path / "artifact"), model)
    first, second = (first_scores(model, a.asks(model, prompts(), 2.0)) for a in (artifact, again))
    assert torch.equal(first, second)
    for name in ("method", "target", "layer", "strength", "positions", "options", "metrics", "data_fingerprint"):
        assert getattr(again, name) == getattr(artifact, name)


def test_no_gradient_is_kept_at_inference(model: Model, artifact: Artifact):
    asks = artifact.asks(model, prompts()[:1], 1.0)
    assert not first_scores(model, asks).requires_grad
    assert all(parameter.grad is None for parameter in model.hf.parameters())


def test_asking_twice_gives_the_same(model: Model, artifact: Artifact):
    first, again = (generate(model, artifact.asks(model, prompts(), 1.5), max_new_tokens=3) for _ in range(2))
    assert first.tokens == again.tokens


def test_another_model_is_refused(model: Model, artifact: Artifact, tmp_path):
    other = tiny_model(model.family.name, seed=1, check=False)
    for use in (
        lambda: load_steering(artifact.save(tmp_path / "artifact"), other),
        lambda: artifact.asks(other, prompts()),
        lambda: artifact.applied(other).__enter__(),
    ):
        with pytest.raises(ArtifactError, match=f"{model.fingerprint}.*{other.fingerprint}"):
            use()


def test_fitting_twice_gives_the_same(model: Model, method: str):
    first, again = (quick(method).fit(model, train_items()[:3]) for _ in range(2))
    assert first.metrics == again.metrics
    if isinstance(first.direction, Predictor):
        assert isinstance(again.direction, Predictor)
        assert torch.equal(first.direction.w_in, again.direction.w_in)
        assert torch.equal(first.direction.w_out, again.direction.w_out)
    elif first.direction is not None:
        assert isinstance(again.direction, torch.Tensor)
        assert torch.equal(first.direction, again.direction)
    if first.chooser is not None and again.chooser is not None:
        ours, theirs = first.chooser.tensors(), again.chooser.tensors()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours | theirs)


def test_fitting_leaves_the_global_random_state_alone(model: Model, method: str, train: TrainingSet):
    before = torch.get_rng_state()
    quick(method).fit(model, train)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_text_target_has_its_own_fit(model: Model, train: TrainingSet, method: str):
    if METHODS[method].targets == ("image",):
        with pytest.raises(UsageError, match="the only one the method knows"):
            quick(method, target="text")
        return
    image, text = (quick(method, target=t).fit(model, train) for t in ("image", "text"))
    assert (image.target, text.target) == ("image", "text")
    layer = train.layers[2]
    assert torch.equal(train.states.steering_vectors("image", layer), -train.states.steering_vectors("text", layer))
    if method == "instruction":
        assert (image.instruction, text.instruction) == (INSTRUCTIONS["image"], INSTRUCTIONS["text"])


def test_receipts_count_the_last_prompt_token_and_every_decoding_step(model: Model, artifact: Artifact):
    asks = artifact.asks(model, prompts(), 1.0)
    rows = [ask for ask in asks if isinstance(ask, Row) and ask.edits]
    if not rows:
        assert not METHODS[artifact.method].adds_vector or artifact.chooser
        edited = any(row.edits for ask in asks if isinstance(ask, Contrast) for row in ask.rows)
        assert bool(generate(model, asks, max_new_tokens=3).receipt.entries) == edited
        return
    answers = generate(model, rows, max_new_tokens=3)
    entries = answers.receipt.entries.values()
    fed = [min(len(t) + f, 3) - 1 for t, f in zip(answers.tokens, answers.finished, strict=True)]
    goes_on = [getattr(row.edits[0], "positions", None) != "last_prompt" for row in rows]
    layers = [sum(len(edit.at_layers(model)) for edit in row.edits) for row in rows]
    assert all(artifact.layer in (None, entry.layer) for entry in entries)
    assert sum(entry.rows for entry in entries) == sum(entry.prompt_positions for entry in entries) == sum(layers)
    decoded = sum(n * k for n, k, on in zip(fed, layers, goes_on, strict=True) if on)
    assert sum(e.generated_positions for e in entries) == decoded
    assert all(entry.relative_change > 0 for entry in entries)


def test_applied_steers_the_models_own_generate(model: Model, artifact: Artifact):
    prompt = encode(model, prompt_for(held_out_items()[1]))
    inputs = model.family.native_inputs(model.hf, prompt.ids, prompt.media)
    if not artifact.is_fixed:
        with pytest.raises(UsageError, match="asks"), artifact.applied(model):
            pass
        return
    with artifact.applied(model, strength=3.0) as receipt:
        output = model.hf.generate(  # pyright: ignore
            **inputs,
            max_new_tokens=3,
            do_sample=False,
            eos_token_id=sorted(model.stop_tokens),
            pad_token_id=model.tokenizer.pad_token_id,
        )
    ours = generate(model, [artifact.row(prompt_for(held_out_items()[1]), 3.0)], max_new_tokens=3)
    got = [t for t in output[0, len(prompt) :].tolist() if t not in model.stop_tokens]
    assert got == ours.tokens[0]
    assert bool(receipt.entries) == bool(artifact.edits())


def test_hooks_come_off_after_an_exception(model: Model, artifact: Artifact):
    asks = artifact.asks(model, prompts(), 2.0)
    before = hooks(model)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    breaking = model.layers[-1].register_forward_hook(fail)
    try:
        with pytest.raises(ZeroDivisionError):
            generate(model, asks)
    finally:
        breaking.remove()
    assert hooks(model) == before


def hooks(model: Model) -> dict[str, int]:
    """How many hooks each module has."""
    counts = {n: len(m._forward_hooks) + len(m._forward_pre_hooks) for n, m in model.hf.named_modules()}
    return {name: count for name, count in counts.items() if count}


def test_each_row_of_a_padded_batch_gets_its_own_predicted_vector(model: Model, train: TrainingSet):
    artifact = quick("l2s", layer=1).fit(model, train)
    assert isinstance(artifact.direction, Predictor)
    # At fitting the output weights start at 0: make the prediction depend on the state, strongly.
    strong = Predictor(
        artifact.direction.w_in,
        artifact.direction.b_in,
        torch.randn(artifact.direction.w_out.shape),
        artifact.direction.b_out,
    )
    items, edit = held_out_items(), AddVector(1, strong, 1.0)
    read = Read(logits=False, hidden=(1,))
    before = run(model, [Row(prompt_for(i)) for i in items], read).hidden[1]
    after = run(model, [Row(prompt_for(i), (edit,)) for i in items], read).hidden[1]
    assert torch.allclose(after - before, strong(before), atol=1e-4)
    assert (strong(before)[0] - strong(before)[1]).norm() > 0.1
