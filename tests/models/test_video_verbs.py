"""Clips as a modality of items: contributions, steering, knockout and interference on Qwen's tiny models."""

from functools import cache
from typing import Any

import pytest

from tests.contribution.items import conflict_items
from tests.engine.test_contract import assert_same
from tests.interference.items import THINGS, image
from tests.steering.conftest import quick
from tests.steering.scores import first_scores
from trimtab.circuits import TaskConfig, build_cases, edges_among, knockout
from trimtab.cli.program import app
from trimtab.contribution import MCS, Ablation, AttentionMass, GradientTimesInput, Method, Shapley, measure
from trimtab.engine import Row, run
from trimtab.errors import UnsupportedMethodError
from trimtab.interference import DiagnosisConfig, HardenConfig, diagnose
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.rows import make_rows, written_letters
from trimtab.interference.hardening.schedule import Schedule
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.steering import TrainingSet
from trimtab.testing import clip, tiny_model

TRIO: tuple[Modality, ...] = ("image", "text", "video")
METHODS: list[Method] = [
    MCS(),
    MCS.paper(),
    Shapley(),
    Ablation(),
    Ablation("shuffle"),
    AttentionMass(),
    GradientTimesInput(),
]


@cache
def made(family: str) -> Model:
    return tiny_model(family, check=False)


@pytest.fixture(scope="session", params=["qwen2_5_vl", "qwen3_vl"])
def model(request: pytest.FixtureRequest) -> Model:
    return made(request.param)


def items(n: int = 3) -> list[Item]:
    """Conflict items with clips of several sizes and lengths."""
    sizes = [(56, 56), (84, 56), (56, 112)]
    return [
        item.replace(video=clip(i, 2 + 3 * i, sizes[i % 3]), answer_video="three")
        for i, item in enumerate(conflict_items(n))
    ]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_three_modalities_are_measured_and_a_batch_equals_one_alone(model, method):
    if isinstance(method, GradientTimesInput) and model.n_streams:
        with pytest.raises(UnsupportedMethodError):
            measure(model, items(), method=method)
        return
    together = measure(model, items(), method=method)
    for item, scored in zip(items(), together, strict=True):
        assert scored.modalities == TRIO
        assert sum(scored.shares.values()) == pytest.approx(1)
        assert scored.scores["video"] != 0
        [alone] = measure(model, [item], method=method)
        assert alone.scores == pytest.approx(scored.scores, rel=2e-3, abs=1e-6)


def test_the_limit_is_what_the_sampled_score_tends_to(model):
    [limit] = measure(model, items(1), method=MCS(top_tokens=400))
    [sampled] = measure(model, items(1), method=MCS(sigmas=(0.02,), draws=128, divergence="kl", estimator="sampled"))
    assert list(sampled.shares.values()) == pytest.approx(list(limit.shares.values()), abs=0.04)


@pytest.mark.parametrize("name", ["mean", "amps", "vdd", "pai"])
def test_steering_toward_a_clip_acts_and_strength_0_does_not(model, name):
    artifact = quick(name, target="video").fit(model, TrainingSet(model, items(4), [1, 2]))
    prompts = [prompt_for(item) for item in items(2)]
    plain = first_scores(model, [Row(prompt) for prompt in prompts])
    assert (first_scores(model, artifact.asks(model, prompts, 2.0)) != plain).any()
    assert (first_scores(model, artifact.asks(model, prompts, 0.0)) == plain).all()


def test_a_knockout_cuts_what_reads_the_clip(model):
    cases = build_cases(model, items(2), TaskConfig())
    edges = [edge for edge in edges_among(TRIO) if edge.name in ("video to last", "video to instruction")]
    table: Any = knockout(model, cases, edges, size=1)
    assert set(table["edge"]) == {"video to last", "video to instruction"}
    assert (table.groupby("edge")["effect"].apply(lambda effect: effect.abs().max()) > 1e-4).all()


def test_an_irrelevant_clip_is_diagnosed(model):
    asked = [
        Item(
            f"i{i}",
            "things",
            "What is in the picture?",
            image=image(i),
            video=clip(i, 3),
            answer_image=THINGS[0],
            choices=THINGS,
            relevant="image",
        )
        for i in range(3)
    ]
    names = ("other_video", "own_video", "black_video")
    answers: Any = diagnose(model, asked, DiagnosisConfig(names)).answers
    assert set(answers.condition) == {"clean", *names}
    assert all(answers[answers.condition == name].kl.max() > 1e-5 for name in names)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "qwen3_5", "gemma3", "paligemma"])
def test_hardening_computes_what_the_model_itself_computes(family):
    """Also where the decoder is given more than embeddings, and with views of several lengths."""
    model = tiny_model(family, check=False)
    short: dict[str, Any] = {}
    long: dict[str, Any] = {"context": "A sofa in the picture."}
    long |= {"video": clip(1, 3)} if "video" in model.modalities else {}
    items = [
        Item(
            f"i{i}",
            "things",
            "What is in the picture?",
            image=image(i),
            answer_image=THINGS[0],
            choices=THINGS,
            relevant="image",
            **(short if i else long),
        )
        for i in range(2)
    ]
    config = HardenConfig(perturbations=("unrelated_text",), attack=None, steps=1, method="full")
    schedule = Schedule(items, config)
    groups = [schedule[place] for place in range(2)]
    letters = written_letters(model, [groups[0].prompts[0]], 4)
    rows, prompts = make_rows(model, groups, letters, "context"), [p for group in groups for p in group.prompts]
    found = Objective(model, config, letters)._logits(rows, rows.embeds)[:, 0]
    assert_same(found.detach(), run(model, prompts, reuse=False).logits)


def test_the_command_line_shows_a_folder_of_frames(model, tmp_path, capsys):
    from tests.models.folders import save

    for number, frame in enumerate(clip().frames):
        (tmp_path / "frames").mkdir(exist_ok=True)
        frame.save(tmp_path / "frames" / f"{number}.png")
    folder = save(model, tmp_path / "model")
    with pytest.raises(SystemExit) as ended:
        app(["generate", str(folder), "--video", str(tmp_path / "frames"), "--question", "What is it?"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip()
