"""One model, several threads, and surroundings that would change what is computed."""

import copy
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.contribution import MCS, measure
from trimtab.engine import AddVector, Read, Row, applied, batches_of, generate, inputs, run
from trimtab.engine.local.session import Session
from trimtab.errors import NothingEditedError, UsageError
from trimtab.items import read_items
from trimtab.models import Model, from_parts
from trimtab.progress import Within
from trimtab.testing import tiny_model


def edit(model: Model) -> AddVector:
    return AddVector(1, torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0)), 3.0)


def in_threads(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs side by side; return what each returned or raised."""
    found: list[Any] = [None] * len(jobs)

    def work(place: int) -> None:
        try:
            found[place] = jobs[place]()
        except BaseException as error:  # handed back
            found[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return found


def test_threads_wait_for_each_other_and_an_error_in_one_leaves_the_model_as_it_was(model: Model):
    prompts, own = varied_prompts(), edit(model)
    plain = generate(model, prompts, max_new_tokens=5).tokens
    steered = generate(model, [Row(p, (own,)) for p in prompts], max_new_tokens=5).tokens
    assert plain != steered

    def block() -> list[list[int]]:
        with applied(model, [own]):
            return generate(model, prompts, max_new_tokens=5).tokens

    def interrupt(_done: int) -> None:
        raise KeyboardInterrupt

    def broken() -> Any:
        with applied(model, [own]):
            return generate(model, prompts, max_new_tokens=5, progress=Within(interrupt))

    for _ in range(3):
        found = in_threads(
            lambda: generate(model, [Row(p, (own,)) for p in prompts], max_new_tokens=5).tokens,
            lambda: generate(model, prompts, max_new_tokens=5).tokens,
            block,
            broken,
            lambda: generate(model, prompts, max_new_tokens=5, reuse=False).tokens,
        )
        assert found[:3] == [steered, plain, steered]
        assert isinstance(found[3], KeyboardInterrupt)
        assert found[4] == plain
    assert not Session.of(model).ambient
    assert not Session.of(model).drives
    assert Session.of(model).lock.depth == 0


def test_the_model_called_in_another_thread_than_its_blocks_is_refused(model: Model):
    given = inputs(model, varied_prompts()[0])
    calls: list[Callable[[], Any]] = [
        lambda: cast(Any, model.hf).generate(**given, max_new_tokens=2),
        lambda: cast(Any, model.hf)(**given),
    ]
    with applied(model, [edit(model)]) as receipt:
        found = in_threads(*calls)
        cast(Any, model.hf).generate(**given, max_new_tokens=2)
    assert all(isinstance(error, UsageError) and "in the thread that opened" in str(error) for error in found)
    assert receipt.table()[0]["prompt_positions"] == 1


def test_two_models_around_one_network_share_a_lock_and_copies_do_not(model: Model):
    other = from_parts(model.hf, model.tokenizer, model.image_processor, model.chat_template, check=False)
    assert Session.of(other).lock is Session.of(model).lock
    assert Session.of(copy.deepcopy(model)).lock is not Session.of(model).lock


def compile_whole(model: Model) -> None:
    model.hf.compile(backend="eager")


def compile_forward(model: Model) -> None:
    model.hf.forward = torch.compile(model.hf.forward, backend="eager")


def compile_decoder(model: Model) -> None:
    model.decoder.forward = torch.compile(model.decoder.forward, backend="eager")


def compile_layers(model: Model) -> None:
    for layer in model.layers:
        layer.compile(backend="eager")


@pytest.mark.parametrize("compiled", [compile_whole, compile_forward, compile_decoder, compile_layers])
@pytest.mark.filterwarnings("ignore")
def test_a_model_compiled_before_is_edited_and_read_all_the_same(compiled: Callable[[Model], None]):
    prompt, own = varied_prompts()[4], edit(tiny_model())
    expected = generate(tiny_model(), [Row(prompt, (own,))], max_new_tokens=3).tokens
    states = run(tiny_model(), [Row(prompt, (own,))], Read(hidden=(2,))).hidden[2]
    torch._dynamo.reset()
    model = tiny_model()
    compiled(model)
    given = inputs(model, prompt)
    with torch.no_grad():
        cast(Any, model.hf)(**given)  # compiled now, before any hook
    assert generate(model, [Row(prompt, (own,))], max_new_tokens=3).tokens == expected
    torch.testing.assert_close(run(model, [Row(prompt, (own,))], Read(hidden=(2,))).hidden[2], states)
    with applied(model, [own]):
        output = cast(Any, model.hf).generate(**given, max_new_tokens=3, do_sample=False)
    assert output[0, given["input_ids"].shape[1] :].tolist()[: len(expected[0])] == expected[0]
    torch._dynamo.reset()


def test_a_compiled_wrapper_is_unwrapped(model: Model):
    wrapped = cast(Any, torch.compile(model.hf, backend="eager"))
    again = from_parts(wrapped, model.tokenizer, model.image_processor, model.chat_template, check=False)
    assert again.hf is model.hf


def test_modules_replaced_after_loading_are_looked_up_again():
    model, prompt = tiny_model(), varied_prompts()[4]
    own = edit(model)
    expected = run(model, [Row(prompt, (own,))]).logits
    model.layers[1]  # looked up and remembered
    model.family.layers(model.hf)[1] = copy.deepcopy(model.layers[1])
    torch.testing.assert_close(run(model, [Row(prompt, (own,))]).logits, expected)


def test_a_layer_that_never_ran_is_said(monkeypatch):
    model = tiny_model()
    layer = model.layers[1]
    model.family.layers(model.hf)[1] = copy.deepcopy(layer)
    monkeypatch.setattr(type(model), "refresh_parts", lambda _self: None)
    with pytest.raises(NothingEditedError, match="that layer never ran"):
        run(model, [Row(varied_prompts()[4], (edit(model),))])
    assert not layer._forward_hooks


def test_inference_mode_and_autocast_around_a_call_change_nothing():
    model, prompts = tiny_model(), varied_prompts()
    expected = run(model, prompts).logits
    model.forget_media()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(run(model, prompts).logits, expected)
        assert torch.is_autocast_enabled("cpu")
    model.forget_media()
    with torch.inference_mode():
        assert torch.equal(run(model, prompts).logits, expected)
        items = list(read_items("pocket-mc2:test"))[:2]
        inside = measure(model, items, method=MCS())
    outside = measure(model, items, method=MCS())  # pictures remembered inside take part in gradients outside
    assert [c.ratio for c in inside] == [c.ratio for c in outside]


def test_a_fixed_batch_size_is_given_back(model: Model):
    Session.of(model).batch_size = 7
    with batches_of(model, 3):
        assert Session.of(model).batch_size == 3
    with pytest.raises(ZeroDivisionError), batches_of(model, 3):
        _ = 1 // 0
    assert Session.of(model).batch_size == 7
    Session.of(model).batch_size = None
