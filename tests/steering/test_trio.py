"""Steering among three modalities: what methods learn, what they ask, and a planted circuit that they turn."""

import pytest
import torch

from tests.contribution.items import conflict_items, trio_items
from tests.steering.conftest import quick
from tests.steering.scores import first_scores
from trimtab.engine import Contrast, Prompt, RedistributeAttention, Row, generate
from trimtab.errors import UsageError
from trimtab.items import Item
from trimtab.items.prompts import INSTRUCTIONS, instruction_for, prompt_for
from trimtab.modalities import Modality, others
from trimtab.models import Model
from trimtab.steering import METHODS, Artifact, TrainingSet, load_steering, looking, states, tune
from trimtab.steering.amps import scaling
from trimtab.steering.states import in_conflict
from trimtab.testing import planted_trio_circuit, tiny_trio
from trimtab.testing.planted_circuit import COLOURS, CONTEXT, QUESTION, colour_picture
from trimtab.testing.trio import TRIO_INSTRUCTIONS, colour_sound

TRIO: tuple[Modality, ...] = ("image", "text", "audio")
GENERAL = [name for name, method in METHODS.items() if set(TRIO) <= set(method.targets)]
"""Methods whose idea is not bound to the image."""


@pytest.fixture(scope="module")
def trio() -> Model:
    return tiny_trio(check=False)


@pytest.fixture(scope="module")
def train(trio: Model) -> TrainingSet:
    return TrainingSet(trio, trio_items(6), [1, 2])


@pytest.fixture(scope="module")
def fitted(trio: Model, train: TrainingSet) -> dict[tuple[str, str], Artifact]:
    return {(name, target): quick(name, target=target).fit(trio, train) for name in GENERAL for target in TRIO}


def prompts() -> list[Prompt]:
    return [prompt_for(item) for item in trio_items(2)]


def test_only_methods_bound_to_the_image_refuse_other_targets():
    assert set(METHODS) - set(GENERAL) == {"vcd", "causalmm", "itad"}
    for name in ("vcd", "causalmm", "itad"):
        with pytest.raises(UsageError, match="the only one the method knows; got 'audio'"):
            quick(name, target="audio")


def test_a_vector_points_from_the_others_instructions_to_the_targets(train: TrainingSet):
    told = train.states.instructed
    assert tuple(told) == TRIO
    for target in TRIO:
        beside = [told[other][1] for other in others(target, TRIO)]
        expected = told[target][1] - (beside[0] + beside[1]) / 2
        torch.testing.assert_close(train.states.steering_vectors(target, 1), expected)
    total = torch.stack([train.states.steering_vectors(target, 1) for target in TRIO]).sum(0)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-4, rtol=0)


def test_items_say_which_modalities_there_are():
    assert in_conflict(("image", "text", "audio")) == TRIO
    assert in_conflict(("audio", "image")) == ("image", "audio")
    assert in_conflict(()) == in_conflict(("image",)) == in_conflict(("text",)) == ("image", "text")


def test_a_target_that_the_items_lack_is_refused(trio: Model):
    pair = TrainingSet(trio, conflict_items(3), [1])
    for name in ("mean", "l2s"):
        with pytest.raises(UsageError, match=r"`target` of .* the training items \(image, text\); got 'audio'"):
            quick(name, target="audio", layer=1).fit(trio, pair)


def test_instructions_name_the_modalities_of_the_items(trio: Model, fitted: dict[tuple[str, str], Artifact]):
    for target in TRIO:
        assert fitted["instruction", target].instruction == instruction_for(target, TRIO)
        assert fitted["chain_of_thought", target].instruction.startswith(instruction_for(target, TRIO))  # pyright: ignore
    assert "image, text and audio content" in str(fitted["chain_of_thought", "audio"].instruction)
    assert quick("instruction", target="text").fit(trio, []).instruction == INSTRUCTIONS["text"]
    assert quick("instruction", target="text").fit(trio, conflict_items(1)).instruction == INSTRUCTIONS["text"]
    assert quick("instruction", target="audio").fit(trio, []).instruction == instruction_for("audio", TRIO)


def test_examples_say_what_each_modality_shows(fitted: dict[tuple[str, str], Artifact]):
    told = str(fitted["few_shot", "audio"].instruction)
    assert "The picture shows: one. The sound says: three. What is it? three." in told


def test_dropping_leaves_the_target_alone(trio: Model, fitted: dict[tuple[str, str], Artifact]):
    for target in TRIO:
        [ask] = fitted["drop", target].asks(trio, prompts()[:1])
        assert isinstance(ask, Row)
        assert isinstance(ask.prompt, Prompt)
        assert ask.prompt.modalities == (target,)


@pytest.mark.parametrize("target", TRIO)
@pytest.mark.parametrize("name", GENERAL)
def test_every_general_method_acts_toward_each(trio: Model, fitted: dict[tuple[str, str], Artifact], name, target):
    artifact = fitted[name, target]
    plain = first_scores(trio, [Row(prompt) for prompt in prompts()])
    steered = first_scores(trio, artifact.asks(trio, prompts(), 2.0))
    assert bool((steered != plain).any()) == (name != "none")
    assert torch.equal(first_scores(trio, artifact.asks(trio, prompts(), 0.0)), plain)


@pytest.mark.parametrize("name", ["drop", "mean", "l2s", "autotrim", "mahalanobis", "vdd", "pai", "var"])
def test_a_saved_artifact_toward_a_sound_is_the_same(trio: Model, fitted, tmp_path, name):
    artifact = fitted[name, "audio"]
    again = load_steering(artifact.save(tmp_path / name), trio)
    first, second = (first_scores(trio, a.asks(trio, prompts(), 2.0)) for a in (artifact, again))
    assert torch.equal(first, second)
    assert again.target == "audio"


def test_decoding_methods_take_the_targets_tokens(trio: Model, fitted: dict[tuple[str, str], Artifact]):
    [against] = fitted["vdd", "audio"].asks(trio, prompts()[:1], 1.0)
    assert isinstance(against, Contrast)
    assert [row.prompt.modalities for row in against.rows] == [TRIO, ("image", "text")]  # pyright: ignore
    [raised] = fitted["pai", "audio"].asks(trio, prompts()[:1], 1.0)
    assert isinstance(raised, Contrast)
    assert raised.rows[0].edits[0].source == ("audio",)  # pyright: ignore
    [moved] = fitted["var", "audio"].asks(trio, prompts()[:1], 1.0)
    assert isinstance(moved, Row)
    assert all(isinstance(edit, RedistributeAttention) and edit.source == ("audio",) for edit in moved.edits)


@pytest.mark.parametrize("name", ["autotrim", "gated_drop", "first_token"])
def test_a_gate_asks_the_target_alone_and_all_but_it(trio: Model, monkeypatch: pytest.MonkeyPatch, name: str):
    seen: list[list[Row]] = []
    run = looking.run

    def watched(model: Model, rows: list[Row], *arguments):
        seen.append(list(rows))
        return run(model, rows, *arguments)

    monkeypatch.setattr(looking, "run", watched)
    artifact = quick(name, target="audio").fit(trio, [])
    artifact.asks(trio, prompts())
    asked = [row.prompt.modalities for row in seen[0]]  # pyright: ignore[reportAttributeAccessIssue]
    assert [own for own in asked if len(own) < 3] == [("audio",), ("image", "text")] * 2
    seen.clear()
    assert not any(ask.edits for ask in artifact.asks(trio, [prompts()[0].without("audio")]))  # pyright: ignore
    assert not seen


SHARES: dict[Modality, torch.Tensor] = {
    "image": torch.tensor([0.2, 0.4]),
    "text": torch.tensor([0.5, 0.5]),
    "audio": torch.tensor([0.3, 0.1]),
}


@pytest.mark.parametrize(
    ("target", "reading", "expected"),
    [
        ("audio", "gamma", [1.5, 0.5]),  # its own share: 0.3 and 0.1, mean 0.2
        ("text", "gamma", [1.0, 1.0]),
        ("audio", "prose", [0.875, 1.125]),  # the others': 0.7 and 0.9, mean 0.8
        ("image", "prose", [0.8 / 0.7, 0.6 / 0.7]),
    ],
)
def test_amps_scales_by_the_targets_share_or_by_the_others(target: Modality, reading, expected: list[float]):
    assert scaling(SHARES, ["color"] * 2, target, reading, 1.0).tolist() == pytest.approx(expected)


def test_tuning_counts_every_other_modality_as_opposite(trio: Model, train: TrainingSet):
    validation = [item.replace(id=f"v-{item.id}") for item in trio_items(3)]
    found = tune(quick("mean", target="audio"), trio, train, validation, [1], [0.5, 1.0]).metrics["validation"]
    assert found["following"] + found["opposite"] + found["other"] == pytest.approx(1)


def coloured(n: int) -> list[Item]:
    """Items of a picture, a sound and a context of three colours, in a question that gives each a place to wait."""
    return [
        Item(
            f"item-{i}",
            "color",
            f"trust now . {QUESTION}",
            context=CONTEXT.format(COLOURS[(i + 1) % len(COLOURS)]),
            image=colour_picture(COLOURS[i % len(COLOURS)]),
            audio=colour_sound(COLOURS[(i + 2) % len(COLOURS)]),
            answer_image=COLOURS[i % len(COLOURS)],
            answer_text=COLOURS[(i + 1) % len(COLOURS)],
            answer_audio=COLOURS[(i + 2) % len(COLOURS)],
        )
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def circuit() -> Model:
    return planted_trio_circuit()


@pytest.mark.parametrize("target", TRIO)
def test_a_mean_vector_turns_the_planted_circuit_toward_each_of_the_three(
    circuit: Model, target: Modality, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(states, "instruction_for", lambda modality, _among: TRIO_INSTRUCTIONS[modality])
    items = coloured(8)
    artifact = quick("mean", target=target, layer=3).fit(circuit, items[:5])
    wanted = [item.answer_of(target) for item in items]
    plain = generate(circuit, [prompt_for(item) for item in items], max_new_tokens=2).texts
    steered = generate(circuit, artifact.rows(circuit, items, 2.0), max_new_tokens=2).texts
    assert steered == wanted
    assert (plain == wanted) == (target == "text")  # left alone it follows what is written
