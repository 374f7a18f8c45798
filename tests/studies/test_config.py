"""A study's file: what it may hold, and what is refused before a model is loaded."""

from pathlib import Path

import pytest

from trimtab.errors import UsageError
from trimtab.studies import Plan, read_plan, study_of


def test_a_file_becomes_a_plan(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(
        "models: [pocket-qwen]\nmethods: [none, vcd, literal]\nprotocols: [open, paired]\nstrengths: [1, 2]\n"
        "variants:\n  literal: {method: amps, reading: literal, train_items: 8, layers: [3]}\n"
    )
    plan = read_plan(path)
    assert isinstance(plan, Plan)
    assert (plan.name, plan.strengths, plan.protocols) == ("ours", (1, 2), ("open", "paired"))
    assert plan.spec("literal").own_options == {"reading": "literal"}
    assert plan.wanted() == [
        ("none", "image"),
        ("vcd", "image"),
        ("literal", "image"),
        ("none", "text"),
        ("literal", "text"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "fields and values"),
        ("modles: [x]", "modles"),
        ("seed: many", "seed"),
        ("methods: none", "methods"),
        ("methods: [magic]", "magic"),
        ("methods: [x]\nvariants:\n  x: {method: magic}", "magic"),
        ("methods: [x]\nvariants:\n  x: {method: mean, colour: red}", "colour"),
        ("methods: [x]\nvariants:\n  x: {method: mean, norm: long}", "norm"),
        ("protocols: [telepathy]", "protocols"),
        ("protocols: [single]", "chosen and swept"),
        ("models: [", "readable"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_plan(path)


@pytest.mark.parametrize("name", ["steering", "ablations"])
def test_the_recipes_are_plans(name):
    plan = read_plan(Path(__file__).parents[2] / "recipes" / f"{name}.yaml")
    assert isinstance(plan, Plan)
    assert plan.name == name
    assert set(plan.variants) <= set(plan.methods)


SMOL = sorted((Path(__file__).parents[2] / "recipes" / "smol").glob("*.yaml"))


@pytest.mark.parametrize("path", SMOL, ids=lambda path: path.stem)
def test_the_recipes_for_smol_llava_fit_its_30_layers(path):
    plan = read_plan(path)
    assert study_of(plan).models() == ("smol-llava",)
    assert plan.fast().data == plan.data
    if isinstance(plan, Plan):
        own = [options for options in plan.variants.values() if "layers" in options]
        assert all(0 <= layer < 30 for options in own for layer in options["layers"])
        assert {name: options["layers"][0] for name, options in plan.variants.items() if "_layer_" in name} == {
            name: int(name.rpartition("_")[2]) for name in plan.variants if "_layer_" in name
        }


@pytest.mark.parametrize(
    ("text", "few"),
    [
        ("kind: measurement\nmodel: m\ndata: d", {"limit": 12}),
        ("kind: interference\nmodel: m\ndata: d\nlimit: 5", {"limit": 5}),
        ("kind: circuits\nmodel: m", {"score_items": 6, "flow_items": 2, "random_sets": 1, "shares": ()}),
        ("kind: circuits\nmodel: m\nfactors: [2.0]", {"factors": (2.0,)}),
        ("kind: hardening\nmodel: m\nseeds: [3, 4]\nattack_sizes: [1.0]", {"seeds": (3,), "attack_sizes": ()}),
        ("seeds: [3, 4]", {"name": "ours --fast", "seeds": (3,), "depths": (0.5,)}),
    ],
)
def test_a_study_of_any_kind_has_a_fast_one(tmp_path, text, few):
    (tmp_path / "ours.yaml").write_text(text)
    plan = read_plan(tmp_path / "ours.yaml")
    assert type(plan.fast()) is type(plan)
    assert {name: getattr(plan.fast(), name) for name in few} == few
    assert plan.fast().data == plan.data


def test_a_fast_hardening_trains_a_few_steps(tmp_path):
    (tmp_path / "ours.yaml").write_text("kind: hardening\nmodel: m\nbase: {steps: 100, learning_rate: 0.001}")
    base = read_plan(tmp_path / "ours.yaml").fast().base  # pyright: ignore[reportAttributeAccessIssue]
    assert (base.steps, base.learning_rate) == (4, 0.001)


LAUGHS = "variants:\n  a: &a {k: [x, x, x, x, x, x, x, x, x]}\n" + "\n".join(
    f"  {c}: &{c} {{k: [{', '.join([f'*{p}'] * 9)}]}}" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing"),
        ("just text", "one value"),
        ("[[1], [2]]", "a list"),
        ("a: 1\n---\nb: 2", "readable"),
        ("\x00\x01", "readable"),
        ("strengths: [abc]", "`strengths` of Plan must be a list, each a finite number"),
        ("strengths: [.nan]", "`strengths`"),
        ("strengths: [.inf]", "`strengths`"),
        ("strengths: [true]", "`strengths`"),
        ("strengths: []", "`strengths`"),
        ("strengths: 2", "`strengths`"),
        ("depths: [.nan]", "`depths`"),
        ("depths: [[0.5]]", "`depths`"),
        ("models: []", "`models`"),
        ("models: [5]", "`models`"),
        ("models: [a, a]", "each once"),
        ("methods: [[none]]", "`methods`"),
        ("targets: [sound]", "`targets` of Plan must be a list, each one of image, text"),
        ("targets: []", "`targets`"),
        ("protocols: [[open]]", "`protocols`"),
        ("seed: -1", "`seed` of Plan must be in 0..4294967295"),
        ("seed: true", "`seed`"),
        ("seed: 1.5", "`seed`"),
        ("test_items: " + "9" * 40, "`test_items`"),
        ("test_items: " + "9" * 5000, "readable"),
        ("test_items: yes", "`test_items`"),
        ("name: 2020-01-01", "`name` of Plan must be text"),
        ("name: 2020-13-45", "readable"),
        ("name: !!python/object/apply:os.getcwd []", "python/object"),
        ("name: !!binary aGVsbG8=", "`name`"),
        ("seed: 1\nseed: 2", "'seed' stands twice"),
        ("variants: {x: {method: mean, method: l2s}}", "'method' stands twice"),
        ("variants: {x: [1]}", "`variants`"),
        ("variants: {1: {method: mean}}", "`variants`"),
        ("methods: [x]\nvariants: {x: {method: {a: 1}}}", "`method` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, layer: 1.0}}", "`layer` of MeanDifference"),
        ("methods: [x]\nvariants: {x: {method: l2s, network: {epochs: true}}}", "`epochs` of NetworkConfig"),
        ("methods: [x]\nvariants: {x: {method: mean, strengths: [abc]}}", "`strengths` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, strengths: []}}", "`strengths` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, strengths: [1.0e+30]}}", "from -10000 to 10000"),
        ("methods: [x]\nvariants: {x: {method: mean, layers: x}}", "`layers` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, layers: []}}", "`layers` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, train_items: 0}}", "`train_items` of the variant 'x'"),
        ("methods: [x]\nvariants: {x: {method: mean, train_tasks: color}}", "`train_tasks` of the variant 'x'"),
        ("strengths: [1.0e+30]", "`strength` of Plan must be a number from -10000 to 10000"),
        ("variants: &v {a: *v}", "a part of"),
        ("seed: " + "[" * 5000, "deep"),
        (LAUGHS, "more than 10,000 values"),
        ("1: 2", "has 1"),
        ("? [1, 2]\n: 3", "readable"),
        ("load: {dtype: float8}", "`load.dtype` of Plan must be one of float32"),
        ("load: {colour: red}", "'colour'"),
        ("load: {device: cpu, device_map: auto}", "not both"),
        ("load: [dtype]", "`load`"),
        ("max_new_tokens: 0", "`max_new_tokens`"),
    ],
)
def test_whatever_a_file_holds_is_refused_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_plan(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_file_that_is_no_text_or_no_file(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\xfe")
    (tmp_path / "long.yaml").write_text("# " + "x" * 1_000_001)
    for name in ("latin.yaml", "long.yaml", ".", "nowhere.yaml"):
        with pytest.raises(UsageError, match="readable YAML"):
            read_plan(tmp_path / name)


def test_aliases_and_short_floats_are_fine(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "methods: [a, b]\nvariants:\n  a: &a {method: l2s, network: {learning_rate: 1e-3}}\n  b: {<<: *a, seed: 3}\n"
    )
    plan = read_plan(path)
    assert isinstance(plan, Plan)
    assert plan.spec("b").options == {"network": {"learning_rate": 1e-3}, "seed": 3}


def test_answers_of_other_models_have_room_for_sentences(tmp_path):
    path = tmp_path / "study.yaml"
    for text, tokens in (("seed: 1", 8), ("models: [pocket-qwen, a/b]", 32), ("models: [a/b]\nmax_new_tokens: 5", 5)):
        path.write_text(text)
        assert read_plan(path).resolved()["max_new_tokens"] == tokens


def test_how_models_are_loaded_is_part_of_a_run_but_not_where(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("load: {dtype: bfloat16, device: 'cuda:1', attention: eager}")
    plan = read_plan(path)
    assert plan.load["device"] == "cuda:1"
    assert plan.resolved()["load"] == {"dtype": "bfloat16", "attention": "eager"}


def test_a_fast_study_has_few_items_and_all_of_its_methods():
    plan = Plan(methods=("none", "random"), seeds=(3, 4), test_items=20, control_items=48, protocols=("open", "paired"))
    fast = plan.fast()
    assert (fast.methods, fast.protocols, fast.seeds) == (plan.methods, plan.protocols, (3,))
    assert (fast.train_items, fast.test_items, fast.control_items, fast.cost_items) == (16, 12, 2, 0)
    assert (fast.name, fast.depths, fast.strengths) == ("demo --fast", (0.5,), (1.0, 2.0))


def test_a_fast_study_pushes_as_hard_as_the_whole_one_and_learns_from_fewer_joint_items():
    variants = {
        "gate": {"method": "learned_gate", "joint_items": 64},
        "few": {"method": "learned_trim", "joint_items": 4},
        "mean_2": {"method": "mean", "train_items": 20},
        "pai": {"strengths": [0.2, 0.5, 1.0, 2.0]},
        "vcd": {"strengths": [0.5]},
    }
    fast = Plan(methods=("none", *variants), variants=variants, strengths=(16, 32, 64)).fast()
    assert fast.strengths == (32, 64)
    assert {name: fast.spec(name).options.get("joint_items") for name in variants} == {
        "gate": 8,
        "few": 4,
        "mean_2": None,
        "pai": None,
        "vcd": None,
    }
    assert (fast.strengths_of("pai"), fast.strengths_of("vcd")) == ((0.5, 1.0), (0.5,))
    assert fast.spec("mean_2").options == {"train_items": 20}
    assert Plan(strengths=(3.0,)).fast().strengths == (3.0,)


def test_seeds_are_those_of_methods_that_chance_enters():
    variants = {"l2s_7": {"method": "l2s", "seed": 7}, "clip": {"method": "kl_clip", "base": "mean"}}
    plan = Plan(methods=("none", "mean", "l2s", "random", "l2s_7", "clip"), variants=variants, seeds=(2, 5))
    assert {name: plan.seeds_of(name) for name in plan.methods} == {
        "none": (2,),
        "mean": (2,),
        "l2s": (2, 5),
        "random": (2, 5, 6, 7, 8),
        "l2s_7": (2,),
        "clip": (2,),
    }
    assert Plan(seed=4).seeds_of("l2s") == (4,)
    with pytest.raises(UsageError, match="each once"):
        Plan(seeds=(1, 1))
