"""Diagnosis, held to answers worked out one by one."""

from dataclasses import replace

import pytest
import torch
from pandas import isna

from tests.interference.items import image_item, mixed, text_item
from trimtab.engine import generate, run
from trimtab.errors import UsageError
from trimtab.interference import CLEAN, DiagnosisConfig, Donors, clean_view, diagnose, perturb, spectrum
from trimtab.interference.diagnosis import WorstCase, js, kl, worst_case
from trimtab.interference.options import letter_tokens, picked_option
from trimtab.interference.views import Opened
from trimtab.items import MediaBytes
from trimtab.modalities import PAIR

CONDITIONS = ("unrelated_text", "misleading_text", "other_image", "black_image")


def plain_distribution(model, view):
    """The option distribution by one full forward pass, in double precision."""
    logits = run(model, [view.prompt(Opened())], reuse=False).logits[0].double().softmax(-1)
    n = len(view.item.choices)
    mass = torch.stack([logits[ids].sum() for ids in letter_tokens(model, n)])
    return (mass / mass.sum()).numpy()


def test_every_number_follows_from_the_option_distributions(model, items, donors):
    found = diagnose(model, items, DiagnosisConfig(CONDITIONS), donors=donors).answers
    by_id = {item.id: item for item in items}
    assert len(found) == 6 * 3 + 6 * 3 + 6
    for row in found.to_dict(orient="records"):
        item = by_id[row["id"]]
        clean = plain_distribution(model, clean_view(item))
        view = perturb(item, [] if row["condition"] == CLEAN else [row["condition"]], donors)
        assert view is not None
        after = plain_distribution(model, view)
        right = item.choices.index(item.answer)
        assert row["option"] == after.argmax()
        assert row["probability"] == pytest.approx(after[right], abs=1e-4)
        assert row["correct"] == (after.argmax() == right)
        if row["condition"] == CLEAN:
            assert isna(row["changed"])
            continue
        assert row["changed"] == (after.argmax() != clean.argmax())
        assert row["harmful"] == (clean.argmax() == right != after.argmax())
        assert row["helpful"] == (after.argmax() == right != clean.argmax())
        assert row["kl"] == pytest.approx(kl(clean, after), abs=1e-4)
        assert row["js"] == pytest.approx(js(clean, after), abs=1e-4)
        if row["condition"] == "misleading_text":
            assert row["followed"] == (after.argmax() == item.choices.index(view.named))


def test_generated_replies_are_read(model, items):
    found = diagnose(model, items, DiagnosisConfig(CONDITIONS, scoring=("generation",), max_new_tokens=3)).answers
    for row in found.loc[found.condition == CLEAN, :].to_dict(orient="records"):
        item = next(i for i in items if i.id == row["id"])
        text = generate(model, [clean_view(item).prompt(Opened())], max_new_tokens=3).texts[0]
        option = picked_option(text, item.choices)
        assert (row["prediction"], row["option"]) == (text, -1 if option is None else option)
        assert row["collapsed"] == (option is None)
    assert bool(found["kl"].isna().all())


def test_baselines_stand_beside_the_plain_way(model, items):
    ways = ("plain", "ignore", "step_by_step", "contrast")
    config = DiagnosisConfig(("misleading_text", "noise_image"), scoring=("logits", "generation"), ways=ways)
    found = diagnose(model, items[:2] + items[6:8], replace(config, max_new_tokens=2)).answers
    assert set(found.way) == set(ways)
    assert len(found) == 4 * 2 * 4 * 2
    clean = found.loc[(found.condition == CLEAN) & (found.scoring == "logits"), :]
    plain, contrast = (clean.loc[clean.way == way, :].set_index("id").probability for way in ("plain", "contrast"))
    assert (plain[["t0", "t1"]] == contrast[["t0", "t1"]]).all()  # no picture, nothing to contrast with
    assert (plain[["i0", "i1"]] != contrast[["i0", "i1"]]).all()


def test_a_broken_picture_is_counted_and_the_others_go_on(model):
    broken = replace(image_item(9), image=MediaBytes(b"no picture"))
    found = diagnose(model, [*mixed(2), broken, replace(text_item(9), choices=())])
    assert [s.row for s in found.skipped] == [7, 8]
    assert "corrupt" in found.skipped[0].reason
    assert "`choices`" in found.skipped[1].reason
    assert "i9" not in set(found.answers.id)


def test_nothing_to_ask_is_an_error(model):
    with pytest.raises(UsageError, match="at least one that can be asked"):
        diagnose(model, [replace(image_item(), relevant=None)])


@pytest.mark.parametrize(
    "wrong", [{"conditions": ("magic",)}, {"scoring": ("guess",)}, {"ways": ()}, {"max_new_tokens": 0}]
)
def test_a_wrong_configuration_is_refused(wrong):
    with pytest.raises(UsageError):
        DiagnosisConfig(**wrong)


def test_the_spectrum_exchanges_content_between_items(model, items):
    both = [i for i in items if i.relevant == PAIR]
    found = spectrum(model, both).answers
    assert list(found.condition.unique()) == [
        CLEAN,
        "shuffled_image",
        "shuffled_text",
        "shuffled_image+shuffled_text",
    ]
    assert len(found) == 4 * len(both)
    view = perturb(both[0], ["shuffled_image"], Donors(both))
    assert view is not None
    row = found[(found.id == both[0].id) & (found.condition == "shuffled_image")].iloc[0]
    right = both[0].choices.index(both[0].answer)
    assert row.probability == pytest.approx(plain_distribution(model, view)[right], abs=1e-4)


def test_what_cannot_be_shuffled_is_skipped_and_counted(model):
    alike = [replace(image_item(i), question="What is it?") for i in range(3)]
    both = [i for i in mixed(4) if i.relevant == PAIR]
    found = spectrum(model, [*alike, *both])
    assert [s.row for s in found.skipped] == [1, 2, 3]
    assert "cannot be exchanged" in found.skipped[0].reason
    assert set(found.answers.id) == {i.id for i in both}


def test_every_branch_of_a_contrast_is_counted(model):
    items = mixed(1)[:1]
    plain, contrast = (diagnose(model, items, DiagnosisConfig((), ways=(way,))).cost for way in ("plain", "contrast"))
    assert (plain.rows, contrast.rows) == (1, 2)
    assert contrast.naive_tokens > plain.naive_tokens > 0


def answers(marks: str, start: int = 0) -> dict[str, bool]:
    return {f"i{k}": mark == "1" for k, mark in enumerate(marks, start)}


def test_the_worst_case_is_the_largest_loss_on_the_same_items():
    right = {
        CLEAN: answers("1" * 12 + "0" * 8),
        "lowest": answers("0" * 8 + "1" * 2, 10),  # 20 %, of items that are wrong clean
        "loses": answers("1" * 6 + "0" * 6),  # 50 %, of items that are all right clean
        "few": answers("0" * 9),
    }
    assert worst_case(right) == WorstCase("loses", 12, 0.5, 1.0, ("few",))
    assert worst_case(right, ["lowest"]) == WorstCase("lowest", 10, 0.2, 0.2)
    assert worst_case({CLEAN: right[CLEAN], "few": right["few"]}).condition == CLEAN
    small = {CLEAN: answers("11"), "lie": answers("10")}
    assert worst_case(small) == WorstCase("lie", 2, 0.5, 1.0)
