"""NaN and infinity are never answers: the row is named, and whether its edits made them."""

from typing import Any, cast

import pytest
import torch

from tests.engine.prompts import varied_prompts
from trimtab.engine import (
    AddVector,
    Contrast,
    Predictor,
    Read,
    Row,
    applied,
    generate,
    inputs,
    run,
)
from trimtab.errors import NotFiniteError, UsageError
from trimtab.models import Model, from_parts
from trimtab.testing import tiny_model

HUGE = 1e30


@pytest.fixture(scope="module")
def broken() -> Model:
    """A model whose second layer makes NaN of everything."""
    model = tiny_model()
    cast(Any, model.layers[1]).mlp.down_proj.weight.data[0, 0] = float("nan")
    return model


@pytest.mark.parametrize("reuse", [True, False])
def test_a_model_that_computes_nan_is_said(broken: Model, reuse: bool):
    prompts = varied_prompts()[:2]
    with pytest.raises(NotFiniteError, match="`logits` of tiny-qwen2_5_vl must be finite; those of row") as error:
        run(broken, prompts, reuse=reuse)
    assert error.value.rows
    with pytest.raises(NotFiniteError, match="check its weights"):
        generate(broken, prompts, max_new_tokens=2, reuse=reuse)
    with pytest.raises(NotFiniteError, match="`hidden` of"):
        run(broken, prompts, Read(logits=False, hidden=(2,)), reuse=reuse)
    with pytest.raises(NotFiniteError):
        generate(broken, [Contrast((Row(prompts[0]), Row(prompts[1])), (2.0, -1.0))], max_new_tokens=2)
    run(broken, prompts, Read(logits=False, hidden=(0,)), reuse=reuse)


@pytest.mark.parametrize("options", [{}, {"do_sample": True, "top_k": 5}, {"num_beams": 2}, {"use_cache": False}])
def test_the_models_own_generate_under_edits_does_not_choose_among_nan(broken: Model, options: dict[str, Any]):
    prompts, edit = varied_prompts()[:2], AddVector(0, torch.ones(broken.hidden_size), 1.0)
    given = inputs(broken, prompts)
    with pytest.raises(NotFiniteError, match="`logits` of tiny-qwen2_5_vl must be finite"), applied(broken, (edit,)):
        cast(Any, broken.hf).generate(**given, max_new_tokens=3, **options)


@pytest.fixture(scope="module")
def half() -> Model:
    """A model in float16, which holds nothing beyond 65504."""
    model = tiny_model()
    parts = model.tokenizer, model.image_processor, model.chat_template
    return from_parts(tiny_model().hf.half(), *parts, check=False)


@pytest.mark.parametrize("reuse", [True, False])
def test_an_edit_that_makes_nan_is_named_with_its_row(half: Model, reuse: bool):
    prompts = varied_prompts()[:3]
    edit = AddVector(1, torch.ones(half.hidden_size), 1e5)
    rows = [Row(prompts[0]), Row(prompts[1], (edit,)), Row(prompts[2])]
    for ask in (run, generate):
        with pytest.raises(NotFiniteError, match="`edits` of row 1 .*AddVector.*layer 1, strength 100000") as error:
            ask(half, rows, reuse=reuse)
        assert error.value.rows == (1,)
    late = AddVector(1, torch.ones(half.hidden_size), 1e5, "generated_only")
    with pytest.raises(NotFiniteError, match="`edits` of row 1 .*lower the strength"):
        generate(half, [Row(prompts[0]), Row(prompts[1], (late,))], max_new_tokens=3, reuse=reuse)
    with pytest.raises(NotFiniteError, match="`edits` of row 0"), applied(half, [edit]):
        run(half, prompts, reuse=reuse)
    with pytest.raises(NotFiniteError, match="`edits` of row 1"):
        generate(half, [rows[0], Contrast((rows[0], rows[1]), (2.0, -1.0))], max_new_tokens=2)


@pytest.mark.parametrize("reuse", [True, False])
def test_rows_that_edits_break_can_be_kept_beside_the_others(half: Model, broken: Model, reuse: bool):
    prompts = varied_prompts()[:3]
    at_once = AddVector(1, torch.ones(half.hidden_size), 1e5)
    later = AddVector(1, torch.ones(half.hidden_size), 1e5, "generated_only")
    rows = [Row(prompts[0]), Row(prompts[1], (at_once,)), Row(prompts[2]), Row(prompts[2], (later,))]
    plain = generate(half, [prompts[0], prompts[2]], max_new_tokens=3, reuse=reuse)
    assert plain.broken == {}
    kept = generate(half, rows, max_new_tokens=3, reuse=reuse, keep_broken=True, first_logits=reuse)
    assert sorted(kept.broken) == [1, 3]
    assert "not finite in float16 under AddVector" in kept.broken[1]
    assert "strength 100000" in kept.broken[3]
    assert kept.texts == [plain.texts[0], "", plain.texts[1], ""]
    assert kept.tokens == [plain.tokens[0], [], plain.tokens[1], []]
    assert kept.finished[1] is kept.finished[3] is False
    if kept.first_logits is not None:
        assert kept.first_logits.isfinite().all(-1).tolist() == [True, False, True, True]
    with pytest.raises(NotFiniteError, match="`logits` of tiny-qwen2_5_vl must be finite"):
        generate(broken, [Row(prompts[0], (at_once,))], max_new_tokens=2, reuse=reuse, keep_broken=True)
    with pytest.raises(NotFiniteError, match="`logits` of tiny-qwen2_5_vl must be finite"):
        generate(broken, [prompts[0]], max_new_tokens=2, reuse=reuse, keep_broken=True)


@pytest.mark.parametrize("reuse", [True, False])
def test_a_change_that_a_norm_would_hide_is_said(model: Model, reuse: bool):
    row = Row(varied_prompts()[0], (AddVector(1, torch.ones(model.hidden_size), HUGE),))
    for ask in (run, generate):  # the final norm divides by infinity, so the logits are finite, all zero
        with pytest.raises(NotFiniteError, match="AddVector.*layer 1 must change states by what float32 can hold"):
            ask(model, [row], reuse=reuse)


def test_half_precision_is_named_as_the_remedy(half: Model):
    weight = cast(Any, half.layers[1]).mlp.down_proj.weight
    before = weight.data.clone()
    weight.data.fill_(6e4)
    with pytest.raises(NotFiniteError, match="float16.*dtype='bfloat16' or 'float32'"):
        run(half, varied_prompts()[:1])
    weight.data.copy_(before)


@pytest.mark.parametrize("part", ["w_in", "b_in", "w_out", "b_out"])
def test_every_tensor_of_a_network_is_checked(model: Model, part: str):
    size = model.hidden_size
    tensors = {
        "w_in": torch.zeros(4, size),
        "b_in": torch.zeros(4),
        "w_out": torch.ones(size, 4),
        "b_out": torch.zeros(size),
    }
    whole = Predictor(**tensors)
    run(model, [Row(varied_prompts()[4], (AddVector(1, whole),))])
    tensors[part] = tensors[part].clone()
    tensors[part].view(-1)[1] = float("nan")
    with pytest.raises(UsageError, match=f"`direction.{part}` of AddVector must be finite"):
        run(model, [Row(varied_prompts()[4], (AddVector(1, Predictor(**tensors)),))])
    tensors[part] = torch.zeros(3, 3)
    with pytest.raises(UsageError, match="`direction.*must have shape"):
        run(model, [Row(varied_prompts()[4], (AddVector(1, Predictor(**tensors)),))])
