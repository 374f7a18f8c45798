"""What a study will cost, against what it then does."""

from tests.conflicts import make_items
from tests.interference.items import mixed

from trimtab.interference import DiagnosisConfig
from trimtab.items import Items
from trimtab.models import Model
from trimtab.studies import Plan, forecast, run_study
from trimtab.studies.interference import AblationPlan, InterferencePlan
from trimtab.studies.kit.study import Rows
from trimtab.studies.measurement import MeasurementPlan
from trimtab.testing import tiny_model

PLAN = Plan(
    name="small",
    models=("tiny",),
    methods=("none", "instruction", "mean", "random"),
    train_items=6,
    validation_items=6,
    test_items=6,
    sweep_items=2,
    contribution_items=3,
    control_items=0,
    depths=(0.5,),
    strengths=(1.0, 2.0),
    max_new_tokens=2,
)


def read(source: str) -> Items:
    return make_items(source.partition(":")[2])


def nowhere(_name: str, **_options: object) -> Model:
    raise AssertionError("a model was loaded")


def test_work_is_counted_without_a_model(tmp_path):
    found = {one.task: one for one in forecast(PLAN, tmp_path / "run", timed=False, load=nowhere, read=read)}
    assert not (tmp_path / "run").exists()
    assert found["tiny: check items"].rows == Rows()
    # three prompts (none, and an instruction for each target) of three items; four sets of modalities, and an answer
    assert found["tiny: contribution"].rows == Rows(9 * 4, 9)
    # both sides of six items, once; mean and random toward two targets, two strengths, six items
    assert found["tiny: fit and tune"].rows == Rows(12, 2 * 2 * 2 * 6, shared=2 * 2 * 6)
    assert all(one.seconds is None for one in found.values())


def test_answers_are_those_that_the_study_then_gives(tmp_path):
    model = tiny_model("llava", layers=2)
    before = {
        one.task: one for one in forecast(PLAN, tmp_path / "run", load=lambda _name, **_options: model, read=read)
    }
    counted = before["tiny: evaluate"].rows
    run = run_study(PLAN, tmp_path / "run", load=lambda _name, **_options: model, read=read)
    from pandas import read_parquet

    answers = read_parquet(run / "items.parquet")
    assert counted is not None
    assert counted[:2] == (0, len(answers))
    timed = [one.seconds for one in before.values() if one.seconds is not None]
    assert len(timed) == len(before)
    assert sum(timed) > 0
    assert forecast(PLAN, tmp_path / "run", timed=False, read=read) == []


def test_what_depends_on_what_is_found_is_not_counted(tmp_path):
    plan = MeasurementPlan("tiny", "items.jsonl", method="mcs", limit=4)
    (one,) = forecast(plan, tmp_path, timed=False, read=lambda _source: make_items("test"))
    assert (one.items, one.rows, one.seconds) == (4, None, None)
    plan = MeasurementPlan("tiny", "items.jsonl", limit=4)
    (one,) = forecast(plan, tmp_path, timed=False, read=lambda _source: make_items("test"))
    assert one.rows == Rows(16, 4)


def test_what_can_not_be_counted_is_not_timed(tmp_path):
    plan = MeasurementPlan("tiny", "items.jsonl", method="mcs", limit=4)
    (one,) = forecast(plan, tmp_path, load=nowhere, read=lambda _source: make_items("test"))
    assert one.seconds is None


def test_a_diagnosis_asks_as_many_rows_as_were_counted(tmp_path):
    model, items = tiny_model("llava", layers=2), Items(mixed(4))
    ways = DiagnosisConfig(scoring=("logits", "generation"), ways=("plain", "ignore"), max_new_tokens=2)
    plan = InterferencePlan("tiny", "items.jsonl", ways, limit=8)
    found = forecast(plan, tmp_path / "run", timed=False, load=nowhere, read=lambda _source: items)
    run = run_study(plan, tmp_path / "run", load=lambda _name, **_options: model, read=lambda _source: items)
    from pandas import read_parquet

    for one in found:
        rows = read_parquet(run / "steps" / f"{one.task.partition(': ')[2]}.parquet")
        assert one.rows == Rows((rows.scoring == "logits").sum(), (rows.scoring == "generation").sum()), one.task


def test_hardening_says_what_its_tests_cost(tmp_path):
    def sources(source: str) -> Items:
        return make_items(source.partition(":")[2]) if source.startswith("conflicts") else Items(mixed(4))

    plan = AblationPlan("tiny", "mixed", "conflicts", ("augmented",), (0,), test_items=6, conflict_items=4)
    model = tiny_model("llava", layers=2)
    found = {one.task: one for one in forecast(plan, tmp_path, load=lambda _name, **_options: model, read=sources)}
    before, harden, after = (found[task] for task in ("vanilla: test", "augmented-0: harden", "augmented-0: test"))
    assert (before.steps, after.steps, harden.rows, harden.seconds) == (2, 2, None, None)
    assert before.rows is not None
    assert after.rows is not None
    assert before.rows.prompts > after.rows.prompts > 6  # it alone is asked in other ways, too
    assert before.rows.answers == after.rows.answers == 4 * 6  # plainly, told and steered, toward either side
    assert before.seconds is not None
    assert before.seconds > 0
