"""Learned trim: what is taught, that training goes where it should, and that a stopped one goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
import torch

from tests.contribution.items import conflict_items, image, trio_items
from tests.steering.items import train_items
from trimtab.divergences import kl
from trimtab.engine import AddVector, Capability, Encoded, Predictor, Row, encode, generate, run
from trimtab.errors import UnsupportedEngineError, UsageError
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import SILENT, Advance
from trimtab.steering import LearnedTrim
from trimtab.steering.learned_trim import TrainingConfig, teaching, training
from trimtab.steering.learned_trim.forcing import ForcedBatch, before_last
from trimtab.steering.learned_trim.teaching import Taught, TaughtBatch, taught, taught_once, with_rest
from trimtab.steering.learned_trim.training import Course
from trimtab.steering.lessons import Lesson, make_lessons
from trimtab.testing import tiny_model
from trimtab.testing.fake_engine import FakeEngine

FOLLOWED = ("conflict", "swapped", "no_other")
FIVE = TrainingConfig(epochs=5, batch_size=8, learning_rate=0.02)


def colours() -> list[Item]:
    """Two tasks; the first two items ask the very same, and answers of both sides meet."""
    answers = (("red", "blue"), ("green", "red"), ("blue", "green"), ("two", "three"))
    return [
        Item(
            id=f"{k}",
            task="counting" if k == 3 else "color",
            question="How many?" if k == 3 else "What color?" if k < 2 else "Which color?",
            context=f"It is {text}.",
            answer_image=shown,
            answer_text=text,
            image=image(k),
        )
        for k, (shown, text) in enumerate(answers)
    ]


class Stopped:
    """Stops training when two epochs are done."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        done = 0

        def advance(n: int) -> None:
            nonlocal done
            done += n
            if name == "train networks" and done == 2:
                raise ZeroDivisionError

        yield advance


def lessons_of(items: list[Item], target: Modality = "text", seed: int = 0) -> dict[str, list[Lesson]]:
    found: dict[str, list[Lesson]] = {}
    for lesson in make_lessons(items, [prompt_for(item) for item in items], target, seed):
        found.setdefault(lesson.kind, []).append(lesson)
    return found


def test_lessons_follow_the_target_in_conflicts_and_leave_all_else_alone():
    found = lessons_of(colours())
    assert set(found) == {"conflict", "swapped", "no_target", "no_other", "agreeing", "target_only", "other_only"}
    for kind in ("conflict", "swapped", "no_other"):
        assert all(lesson.follows and lesson.teacher.modalities == ("text",) for lesson in found[kind])
    for kind in ("no_target", "agreeing", "target_only", "other_only"):
        assert all(lesson.teacher is lesson.prompt for lesson in found[kind])
    assert all(lesson.prompt.modalities == ("text",) for lesson in found["target_only"])
    assert all(lesson.prompt.modalities == ("image",) for lesson in found["other_only"])


def test_evidence_without_a_bearing_is_that_of_another_task():
    items = colours()
    for lesson in lessons_of(items)["no_target"]:
        own, donor = lesson.items
        assert items[own].task != items[donor].task
        assert lesson.prompt.question == items[own].question
        assert lesson.prompt.context == items[donor].context


def test_evidence_is_swapped_only_under_the_very_same_question_and_stays_a_conflict():
    items = colours()
    for lesson in lessons_of(items)["swapped"]:
        own, donor = lesson.items
        assert items[own].question == items[donor].question
        assert items[donor].answer_text != items[own].answer_image


def test_what_agrees_has_the_targets_answer():
    items = colours()
    for lesson in lessons_of(items)["agreeing"]:
        own, donor = lesson.items
        assert items[donor].answer_image == items[own].answer_text
        assert lesson.prompt.context == items[own].context


def test_items_that_say_what_is_relevant_are_taken_as_they_are():
    items = colours()
    both = items[0].replace(id="both", relevant="both", answer_text="red")
    lie = items[1].replace(id="lie", relevant="text")
    needs_both, right = lessons_of([*items, both, lie])["given"]
    assert not needs_both.follows
    assert right.follows
    assert not lessons_of([*items, lie], "image")["given"][0].follows


def test_lessons_are_the_same_each_time_and_others_with_another_seed():
    def made(seed: int) -> list[tuple[int, ...]]:
        return [lesson.items for own in lessons_of(colours(), seed=seed).values() for lesson in own]

    assert made(0) == made(0) != made(1)


def test_with_three_modalities_the_others_are_left_out_or_swapped_together():
    found = lessons_of(trio_items(4), "audio")
    assert all(lesson.teacher.modalities == ("audio",) for lesson in found["conflict"])
    assert all(lesson.prompt.modalities == ("image", "text") for lesson in found["other_only"])
    assert all(len(lesson.prompt.modalities) == 3 for lesson in found["no_other"])


def test_forced_scores_are_those_of_generation_with_and_without_edits(model: Model):
    prompts = [prompt_for(item) for item in conflict_items(3)]
    hidden = model.hidden_size
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator) for shape in ((2, hidden), (2,), (hidden, 2), (hidden,))]
    for edits in ((), (AddVector(1, Predictor(*parts), 0.5), AddVector(2, Predictor(*parts), 0.5))):
        answers = [tokens[:n] for n, tokens in enumerate(generate(model, prompts, max_new_tokens=3).tokens)]
        answers = [[t for t in own if t not in model.placeholders.values()] for own in answers]
        encoded = [encode(model, p) for p in prompts]
        batch = ForcedBatch(model, encoded, answers)
        with torch.no_grad():
            fresh = batch.scores(edits)
            again = ForcedBatch(model, encoded, answers, prefix=before_last(model, encoded)).scores(edits)
        assert torch.equal(fresh, again)
        first = run(model, [Row(p, edits) for p in prompts]).logits.log_softmax(-1)
        at = batch.steps.int().argmax(-1)
        assert torch.allclose(fresh[torch.arange(3), at], first, atol=1e-4)


def test_gradients_reach_the_networks_and_no_weight_of_the_model(model: Model):
    prompts = [encode(model, prompt_for(item)) for item in conflict_items(2)]
    hidden = model.hidden_size
    parts = [torch.zeros(shape).requires_grad_() for shape in ((1, hidden), (1,), (hidden, 1), (hidden,))]
    with torch.enable_grad():
        scores = ForcedBatch(model, prompts, [[], []]).scores((AddVector(0, Predictor(*parts)),))
        scores[:, -1, 0].sum().backward()
    assert parts[3].grad is not None
    assert parts[3].grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in model.hf.parameters())


def test_a_teacher_keeps_its_likeliest_tokens_and_the_rest_together(model: Model):
    prompts = [encode(model, prompt_for(item)) for item in conflict_items(2)]
    every, few = (taught(model, prompts, None, 2, kept) for kept in (10**6, 5))
    assert few[0].tokens.shape[-1] == 5
    assert torch.equal(few[0].scores, every[0].scores[:, :5])
    uniform = torch.full_like(every[0].scores[0], 1 / every[0].scores.shape[-1]).log()
    whole = kl(every[0].scores[0], uniform)
    assert kl(with_rest(few[0].scores[0]), with_rest(uniform[:5])) <= whole + 1e-5


def test_a_teacher_says_what_generation_says_and_what_is_likely_at_each_step(model: Model):
    prompts = [encode(model, prompt_for(item)) for item in conflict_items(3)]
    for own, tokens in zip(
        taught(model, prompts, before_last(model, prompts), 4, 5),
        generate(model, prompts, max_new_tokens=4).tokens,
        strict=True,
    ):
        told = list(takewhile(lambda token: token not in model.placeholders.values(), tokens))
        assert own.answer == tuple(told[:3])
        assert own.tokens[:, 0].tolist()[: len(told)] == told
        assert len(own.tokens) == len(own.answer) + 1


def test_equal_prompts_are_taught_once(model: Model, monkeypatch: pytest.MonkeyPatch):
    first, second = (encode(model, prompt_for(item)) for item in conflict_items(2))
    asked: list[int] = []
    monkeypatch.setattr(teaching, "taught", lambda _m, prompts, *rest: asked.append(len(prompts)) or prompts)
    found = taught_once(model, [first, second, first], 2, 5, 32, SILENT)
    assert asked == [2]
    assert set(found) == {first.content, second.content}


def test_what_agrees_is_its_own_teacher_and_is_computed_once(model: Model, monkeypatch: pytest.MonkeyPatch):
    """Prompts computed before their last tokens: those of lessons, and the teachers that are none."""
    computed: list[Encoded] = []
    for module in (teaching, training):
        monkeypatch.setattr(module, "before_last", lambda m, p: computed.extend(p) or before_last(m, p))
    LearnedTrim("text", training=FIVE).fit(model, train_items())
    items = train_items()
    course = Course(make_lessons(items, [prompt_for(item) for item in items], "text"), "from_last_prompt", FIVE, 0)
    used = [course.lessons[k] for places in course.split() for k in places]
    others = {encode(model, lesson.teacher).content for lesson in used if lesson.follows}
    assert len(computed) == len(used) + len(others)


def test_divergences_of_a_batch_are_those_of_its_rows_whatever_their_lengths():
    generator = torch.Generator().manual_seed(0)

    def scores(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).log_softmax(-1)

    teachers = [Taught((1,) * n, *reversed(scores(n + 1, 9).topk(4))) for n in (0, 2)]
    given = scores(2, 3, 9).requires_grad_()
    found = TaughtBatch.joined(teachers, torch.device("cpu")).divergence(given)
    for own, row, whole in zip(teachers, given, found, strict=True):
        picked = row[-len(own.tokens) :].gather(-1, own.tokens)
        assert torch.allclose(whole, kl(with_rest(own.scores), with_rest(picked)).sum())
    found.sum().backward()
    assert given.grad is not None
    assert not given.grad[0, :2].any()
    assert torch.isfinite(given.grad).all()


def test_training_moves_conflicts_toward_the_teacher():
    model = tiny_model("qwen2_5_vl")
    found = LearnedTrim("text", training=FIVE).fit(model, train_items()).metrics["train"]
    before, after = (sum(found[when][kind] for kind in FOLLOWED) for when in ("held_out_before", "held_out"))
    assert after < 0.8 * before
    assert found["lessons"]["conflict"] == 6


def test_it_learns_in_bfloat16():
    model = tiny_model("llava", check=False)
    model.hf.to(torch.bfloat16)
    artifact = LearnedTrim("image", training=FIVE).fit(model, train_items())
    assert artifact.chooser is not None
    assert all(torch.isfinite(tensor).all() for tensor in artifact.chooser.tensors().values())


def test_stopped_training_goes_on_to_the_same_end(tmp_path: Path):
    model, file = tiny_model("qwen2_5_vl"), tmp_path / "trim.safetensors"
    whole = LearnedTrim("text", training=FIVE).fit(model, train_items())

    method = LearnedTrim("text", training=FIVE, checkpoint=str(file))
    with pytest.raises(ZeroDivisionError):
        method.fit(model, train_items(), Stopped())
    again = method.fit(model, train_items())
    assert whole.chooser is not None
    assert again.chooser is not None
    theirs = again.chooser.tensors()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in whole.chooser.tensors().items())
    assert "checkpoint" not in again.options
    with pytest.raises(UsageError, match="of others"):
        LearnedTrim("image", training=FIVE, checkpoint=str(file)).fit(model, train_items())
    file.write_bytes(b"no")
    with pytest.raises(UsageError, match="is none"):
        method.fit(model, train_items())


def test_engines_without_gradients_are_refused_by_name():
    engine = FakeEngine(frozenset(Capability) - {Capability.GRADIENTS})
    with pytest.raises(UnsupportedEngineError, match="GRADIENTS"):
        LearnedTrim("text").fit(engine, train_items())


def test_items_without_conflicts_and_edits_before_the_last_token_are_refused():
    model = tiny_model("qwen2_5_vl")
    lonely = [item.replace(relevant="image", answer_text="") for item in train_items()]
    with pytest.raises(UsageError, match="at least 2 conflict items"):
        LearnedTrim("text").fit(model, lonely)
    with pytest.raises(UsageError, match="from_last_prompt"):
        LearnedTrim("text", positions="all")


def test_it_is_the_same_for_all_prompts_and_can_be_applied_to_a_block():
    model = tiny_model("qwen2_5_vl")
    artifact = LearnedTrim("text", layers=(1, 2), training=FIVE).fit(model, train_items())
    prompt = prompt_for(train_items()[0])
    assert artifact.is_fixed
    assert [edit.layer for edit in artifact.edits() if isinstance(edit, AddVector)] == [1, 2]
    (plain,) = artifact.asks(model, [prompt])
    assert isinstance(plain, Row)
    ours, theirs = ([vars(edit) for edit in row.edits] for row in (plain, artifact.row(prompt)))
    assert ours == theirs
    assert artifact.needs == {Capability.ADD_VECTOR}
