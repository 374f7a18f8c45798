"""Interference among three modalities: harm by an irrelevant one is found, and none is claimed that cannot be."""

import numpy as np
import pytest
import torch

from tests.interference.items import THINGS, image
from trimtab.engine import run
from trimtab.interference import DiagnosisConfig, Donors, HardenConfig, clean_view, diagnose, harden, perturb
from trimtab.interference.diagnosis import IRRELEVANT
from trimtab.interference.diagnosis.ways import IGNORE, ignoring
from trimtab.interference.hardening import AttackConfig
from trimtab.interference.hardening.objective import Objective
from trimtab.interference.hardening.rows import make_rows, written_letters
from trimtab.interference.hardening.schedule import Schedule
from trimtab.interference.hardening.weights import trainable
from trimtab.interference.views import Opened, View, irrelevant_modalities
from trimtab.items import Item
from trimtab.media import Sound
from trimtab.models import Model, adapters
from trimtab.testing import clip, planted_trio, sound, tiny_trio

AUDIO = tuple(name for name in IRRELEVANT if name.endswith("_audio"))


def seen(i: int = 0, answer: str = THINGS[0]) -> Item:
    """An item whose picture is relevant, with a sound and a text that are not."""
    return Item(
        f"i{i}",
        "things",
        "What is in the picture?",
        image=image(i),
        context="A sofa in the picture.",
        audio=sound(i),
        answer_image=answer,
        choices=THINGS,
        relevant="image",
    )


def right(model: Model, items: list[Item]) -> list[Item]:
    """The items, whose right answers are those that the model gives to the clean views."""
    found = diagnose(model, items, DiagnosisConfig(())).answers
    return [item.replace(answer_image=item.choices[option]) for item, option in zip(items, found.option, strict=True)]


def view_of(item: Item, names: list[str], donors: Donors) -> View:
    found = perturb(item, names, donors)
    assert found is not None
    return found


def test_all_that_is_not_relevant_is_irrelevant():
    assert irrelevant_modalities(seen()) == ("text", "audio")
    joined = seen().replace(relevant=("image", "audio"), answer_audio=THINGS[0])
    assert irrelevant_modalities(joined) == ("text",)
    assert irrelevant_modalities(seen().replace(audio=None)) == ("text",)
    assert clean_view(seen()).media.keys() == {"image"}
    assert clean_view(joined).media.keys() == {"image", "audio"}


def test_sounds_and_clips_are_put_beside_what_matters():
    items = [seen(i).replace(video=clip(i)) for i in range(3)]
    donors = Donors(items)
    view = {name: view_of(items[0], [name], donors) for name in (*AUDIO, "black_video")}
    for name in ("silent_audio", "noise_audio", "other_audio", "own_audio"):
        made = view[name].media["audio"].open()
        assert (len(made.samples), made.rate) == (64, 64)
        assert view[name].media["image"] == items[0].image
    assert not view["silent_audio"].media["audio"].open().samples.any()
    assert items[0].audio is not None
    own = items[0].audio.fingerprint
    assert view["own_audio"].media["audio"].fingerprint == own != view["other_audio"].media["audio"].fingerprint
    again = view_of(items[0], ["noise_audio"], donors)
    assert again.media["audio"].fingerprint == view["noise_audio"].media["audio"].fingerprint
    black = view["black_video"].media["video"].open()
    assert (len(black), black.seconds) == (4, 2.0)
    assert not np.asarray(black.frames[0]).any()
    both = view_of(items[0], ["unrelated_text", "silent_audio"], donors)
    assert (both.context is not None, set(both.media)) == (True, {"image", "audio"})
    assert perturb(items[0].replace(audio=None), ["silent_audio"], donors) is None


def test_the_request_to_ignore_names_what_there_is():
    assert ignoring(seen()) == "Answer from the image content alone, and ignore the text context and the audio content."
    assert ignoring(seen().replace(audio=None)) == IGNORE["image"]
    assert ignoring(seen().replace(relevant=("image", "text", "audio"), answer_text="dog", answer_audio="dog")) is None


@pytest.fixture(scope="module")
def harmed() -> dict[float, object]:
    found = {}
    for weight in (0.0, 3.0):
        model = planted_trio({"image": 1.0, "audio": weight})  # the line break behind a sound is text
        items = right(model, [seen(i) for i in range(12)])
        found[weight] = diagnose(model, items, DiagnosisConfig(AUDIO)).answers
    return found


def test_harm_by_an_irrelevant_third_modality_is_found(harmed):
    answers = harmed[3.0]
    assert answers[answers.condition == "clean"].correct.all()
    assert answers[answers.condition == "other_audio"].harmful.sum() >= 3
    assert set(answers.condition) == {"clean", *AUDIO}
    assert answers[answers.condition == "noise_audio"].kl.min() > 1e-4


def test_no_harm_is_claimed_of_a_modality_that_cannot_reach_the_answer(harmed):
    perturbed = harmed[0.0][harmed[0.0].condition != "clean"]
    assert len(perturbed) == 12 * len(AUDIO)
    assert not perturbed.changed.any()
    assert not perturbed.harmful.any()
    assert perturbed.kl.max() < 1e-9


def test_views_of_an_irrelevant_sound_can_be_trained_on():
    model = tiny_trio(layers=2, check=False)
    attack = AttackConfig(steps=1, text="all")
    config = HardenConfig(perturbations=("noise_audio", "unrelated_text"), attack=attack, steps=1, method="full")
    schedule = Schedule([seen(i) for i in range(4)], config)
    groups = [schedule[place] for place in range(2)]
    assert groups[0].irrelevant == ("text", "audio")
    letters = written_letters(model, [groups[0].prompts[0]], 4)
    rows = make_rows(model, groups, letters, "context")
    assert [int(rows.attacked[view].sum()) for view in (0, 1)] == [0, 64 // 16]  # a sound's frames, and no more
    with trainable(model, config):
        objective = Objective(model, config, letters)
        before = float(objective(groups).detach())
        optimiser = torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], 0.05)
        for _ in range(3):
            optimiser.zero_grad()
            objective(groups).backward()
            optimiser.step()
        assert set(objective.parts) == {"sft", "adversarial", "consistency"}
        assert float(objective(groups).detach()) < before


def test_what_hardening_against_a_sound_learned_is_saved_and_loaded(tmp_path):
    model, items = tiny_trio(layers=2, check=False), [seen(i) for i in range(4)]
    config = HardenConfig(steps=2, batch_size=2, learning_rate=1e-2, perturbations=("noise_audio",), attack=None)
    done = harden(model, items, tmp_path / "hardened", config)
    prompt = clean_view(items[0]).prompt(Opened())
    before = run(model, prompt).logits
    hardened = tiny_trio(layers=2, check=False)
    adapters.merge(hardened, done.folder)
    assert (run(hardened, prompt).logits - before).abs().max() > 1e-4
    assert torch.equal(run(model, prompt).logits, before)


def test_sounds_reach_the_model_as_the_view_shows_them():
    model, item = tiny_trio(layers=2, check=False), seen()
    silent = view_of(item, ["silent_audio"], Donors([item]))
    shown = silent.prompt(Opened())
    assert isinstance(shown.media["audio"][0], Sound)
    logits = run(model, [shown, clean_view(item).prompt(Opened())]).logits
    assert not torch.equal(logits[0], logits[1])
