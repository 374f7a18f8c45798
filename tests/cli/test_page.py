"""``docs/cli.md`` says what the command line has."""

from .walk import PAGE, verbs, with_tables


def test_the_page_has_the_tables_of_today():
    page = PAGE.read_text()
    assert page == with_tables(page), "run: python -m tests.cli.walk"


def test_an_option_has_one_type_in_all_verbs():
    kinds = {}
    for verb in verbs():
        for given in verb.parameters:
            assert kinds.setdefault(given.name, given.kind) is given.kind, (verb.name, given.name)


def test_verbs_of_a_kind_have_the_same_options():
    names = {verb.name: {given.name for given in verb.parameters} for verb in verbs()}
    for verb, own in names.items():
        if verb == "serve":  # it becomes vLLM's server, which loads the model in its own way and prints no result
            continue
        assert "--json" in own, verb
        if "MODEL" in own:
            loading = {"--dtype", "--device", "--device-map", "--attention", "--max-pixels", "--revision"}
            assert loading | {"--local-files-only"} <= own, verb
        if "DATA" in own:
            assert {"--images", "--skip-missing"} <= own, verb
        if "DATA" in own and verb != "data split":  # it makes splits of all items
            assert "--split" in own, verb
        if "DATA" in own and verb not in ("data show", "data check", "data split"):
            assert {"--limit", "--seed"} <= own, verb
