"""One way to make things known by name, and to say which there are."""

import sys
from dataclasses import dataclass

import pytest

from trimtab import media, steering
from trimtab.contribution import METHODS as MEASURES
from trimtab.errors import UsageError
from trimtab.interference import PERTURBATIONS
from trimtab.modalities import SHOWN
from trimtab.models import FAMILIES
from trimtab.registry import Registry, import_inside
from trimtab.steering import METHODS, make_method
from trimtab.studies import PROTOCOLS


@dataclass
class Thing:
    name: str


def registry() -> Registry[Thing]:
    found: Registry[Thing] = Registry("`thing` of the test")
    for name in ("mean", "median"):
        found.register(Thing(name))
    return found


def test_things_are_found_by_name_in_the_order_they_were_registered():
    known = registry()
    assert list(known) == ["mean", "median"]
    assert len(known) == 2
    assert "mean" in known
    assert known["mean"] is known.named("mean")
    assert "median" in repr(known)


def test_a_class_is_registered_by_a_decorator():
    known: Registry[type] = Registry("`kind`", key="kind")

    @known.register
    class Own:
        kind = "own"

    assert known["own"] is Own


@pytest.mark.parametrize("name", ["meen", 3, None, ["mean"]])
def test_an_unknown_name_is_refused_with_the_names_that_are_known(name: object):
    with pytest.raises(UsageError, match=r"^`thing` of the test must be one of mean, median; got"):
        registry().named(name)
    with pytest.raises(UsageError, match=r"^`--thing` must be one of mean, median; got"):
        registry().named(name, "`--thing`")


def test_a_near_miss_is_told_what_was_meant():
    with pytest.raises(UsageError, match=r"got 'meen'; did you mean 'mean'\?$"):
        registry().named("meen")


@pytest.mark.parametrize("name", ["mean", "", None])
def test_a_name_that_is_taken_or_none_is_not_registered(name: object):
    with pytest.raises(UsageError, match="must be a new name to be registered"):
        registry().register(Thing(name))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("known", [FAMILIES, METHODS, MEASURES, PERTURBATIONS, PROTOCOLS], ids=repr)
def test_everything_known_by_name_is_kept_so(known: Registry):
    assert isinstance(known, Registry)
    assert known
    with pytest.raises(UsageError, match="must be one of"):
        known.named("nonsense")


KIND = """
from trimtab.media.kinds import MediumKind, register_kind

register_kind(
    MediumKind(
        "smell",
        "smell",
        str,
        open=lambda source, _name: f"smell of {source}",
        fingerprint=str,
        shape=len,
        encode=str.encode,
        suffix=lambda _data, _name: ".smell",
        example=lambda: "rain",
        spoil={"blank": lambda _smell, _random: ""},
    )
)
"""


def test_a_kind_of_medium_is_known_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "smell.py").write_text(KIND)
    monkeypatch.setattr(media, "__path__", [*media.__path__, str(tmp_path)])
    try:
        import_inside(media.__name__, media.__path__)
        assert media.open_medium("smell", "rain") == "smell of rain"
        assert set(media.KINDS) == {"smell", *SHOWN}
    finally:
        media.KINDS._entries.pop("smell", None)
        sys.modules.pop("trimtab.media.smell", None)
    with pytest.raises(UsageError, match="`kind` of a medium must be one of image, .*; got 'smell'"):
        media.open_medium("smell", "rain")


METHOD = """
from dataclasses import dataclass

from trimtab.steering.none import NoSteering
from trimtab.steering.method import register


@register
@dataclass(frozen=True)
class Nudge(NoSteering):
    name = "nudge"
"""


def test_a_steering_method_is_known_by_its_place(tmp_path, monkeypatch):
    (tmp_path / "nudge").mkdir()
    (tmp_path / "nudge" / "__init__.py").write_text(METHOD)
    monkeypatch.setattr(steering, "__path__", [*steering.__path__, str(tmp_path)])
    try:
        import_inside(steering.__name__, steering.__path__, packages=True)
        assert make_method("nudge", {"target": "image"}).target == "image"
    finally:
        METHODS._entries.pop("nudge", None)
        sys.modules.pop("trimtab.steering.nudge", None)
