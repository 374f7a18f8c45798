"""What a field may hold is declared with it, once."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from trimtab.errors import UsageError
from trimtab.fields import Above, AtLeast, Between, OneOf, Some, check_fields


@dataclass(frozen=True)
class Config:
    draws: Annotated[int, AtLeast(1)] = 2
    size: Annotated[float, Above(0)] | None = None
    share: Annotated[float, Between(0, 1)] = 0.5
    top: Annotated[float, Between(0, 1, without="least")] = 1.0
    depth: Annotated[float, Between(0, 1, without="most")] = 0.0
    held: Annotated[float, Between(0, 1, without="both")] = 0.1
    kind: Literal["one", "two"] = "one"
    scope: Annotated[str, OneOf({"last": 1, "all": 2})] = "last"
    sizes: Annotated[tuple[Annotated[float, Above(0)], ...], Some()] = (1.0,)
    names: Annotated[tuple[str, ...], Some(each_once=True)] = ("a",)
    mixture: dict[str, Annotated[int, AtLeast(1)]] | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("draws", 0, "`draws` of Config must be at least 1; got 0; the default is 2."),
        ("draws", 1.5, "`draws` of Config must be a whole number; got 1.5."),
        ("draws", True, "`draws` of Config must be a whole number; got True."),
        ("size", 0, "`size` of Config must be above 0; got 0."),
        ("share", 10**400, "`share` of Config must be a finite number; got a number of more than 38 digits."),
        ("size", float("inf"), "`size` of Config must be a finite number or none; got inf."),
        ("share", 1.1, "`share` of Config must be in 0..1; got 1.1; the default is 0.5."),
        ("top", 0, "`top` of Config must be above 0 and at most 1; got 0; the default is 1.0."),
        ("depth", 1, "`depth` of Config must be at least 0 and below 1; got 1; the default is 0.0."),
        ("held", 1, "`held` of Config must be above 0 and below 1; got 1; the default is 0.1."),
        ("kind", "three", "`kind` of Config must be one of one, two; got 'three'."),
        ("scope", "first", "`scope` of Config must be one of last, all; got 'first'; the default is 'last'."),
        ("sizes", (), "`sizes` of Config must be at least one; got []; the default is [1.0]."),
        ("sizes", (1, -1), "`sizes` of Config must be a list, each above 0; got [1, -1]; the default is [1.0]."),
        (
            "names",
            ("a", "a"),
            "`names` of Config must be at least one, each once; got ['a', 'a']; the default is ['a'].",
        ),
        ("mixture", {"a": 0}, "`mixture` of Config must be names and values, each at least 1; got {'a': 0}."),
    ],
)
def test_what_breaks_a_declaration_is_refused(field: str, value: Any, message: str):
    with pytest.raises(UsageError) as caught:
        Config(**{field: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("draws", 1),
        ("size", 0.1),
        ("size", None),
        ("share", 0),
        ("share", 1),
        ("top", 1),
        ("depth", 0),
        ("sizes", [3, 0.5]),
        ("names", ["a", "b"]),
        ("mixture", {"a": 1}),
    ],
)
def test_what_keeps_to_a_declaration_is_taken(field: str, value: Any):
    assert getattr(Config(**{field: value}), field) == value
