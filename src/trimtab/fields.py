"""Checks of configuration fields by their annotations, so that what a file or a command line holds is refused early."""

from __future__ import annotations

import functools
import math
import numbers
import reprlib
import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from inspect import signature
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from trimtab.errors import UsageError
from trimtab.nearest import did_you_mean

LARGEST_SEED = 2**32 - 1
"""The largest seed that every generator of random numbers takes."""

LARGEST = 2**31 - 1
"""The largest size of anything."""

Class = TypeVar("Class", bound=type)


class Dataclass(Protocol):
    """Any dataclass, as ``dataclasses.fields`` and ``dataclasses.replace`` take it."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Rule(Protocol):
    """What a value must keep to beside its type, declared with the field.

    Examples:
        ```python
        draws: Annotated[int, AtLeast(1)] = 2
        ```
    """

    @property
    def words(self) -> str:
        """The rule as it follows "must be" in a message."""
        ...

    def holds(self, value: Any) -> bool:
        """Whether a value, which is of the type, keeps to the rule."""
        ...


@dataclass(frozen=True)
class AtLeast:
    """A number from a limit on."""

    least: float

    @property
    def words(self) -> str:
        """The rule."""
        return f"at least {self.least:g}"

    def holds(self, value: float) -> bool:
        """Whether a number keeps to it."""
        return value >= self.least


@dataclass(frozen=True)
class Above:
    """A number beyond a limit."""

    limit: float

    @property
    def words(self) -> str:
        """The rule."""
        return f"above {self.limit:g}"

    def holds(self, value: float) -> bool:
        """Whether a number keeps to it."""
        return value > self.limit


@dataclass(frozen=True)
class Between:
    """A number between two limits, which belong to it unless they are left out.

    Attributes:
        least: The lower limit.
        most: The upper limit.
        without: Which limits are left out: ``least``, ``most`` or ``both``.
    """

    least: float
    most: float
    without: Literal["", "least", "most", "both"] = ""

    @property
    def words(self) -> str:
        """The rule."""
        low, high = f"{self.least:g}", f"{self.most:g}"
        if not self.without:
            return f"in {low}..{high}"
        least = f"above {low}" if self.without in ("least", "both") else f"at least {low}"
        return f"{least} and {f'below {high}' if self.without in ('most', 'both') else f'at most {high}'}"

    def holds(self, value: float) -> bool:
        """Whether a number keeps to it."""
        low = value > self.least if self.without in ("least", "both") else value >= self.least
        return low and (value < self.most if self.without in ("most", "both") else value <= self.most)


@dataclass(frozen=True)
class OneOf:
    """A name among some that are only known when the program runs, such as those of a registry."""

    known: Collection[str]

    @property
    def words(self) -> str:
        """The rule."""
        return f"one of {', '.join(self.known)}"

    def holds(self, value: object) -> bool:
        """Whether a name keeps to it."""
        return value in self.known


@dataclass(frozen=True)
class Some:
    """A list that is not empty.

    Attributes:
        each_once: Whether nothing may be in it twice.
    """

    each_once: bool = False

    @property
    def words(self) -> str:
        """The rule."""
        return f"at least one{', each once' if self.each_once else ''}"

    def holds(self, value: Collection[object]) -> bool:
        """Whether a list keeps to it."""
        return len(value) > 0 and not (self.each_once and len(set(value)) < len(value))


Count = Annotated[int, AtLeast(1)]
"""A whole number from 1."""
CountFrom0 = Annotated[int, AtLeast(0)]
"""A whole number from 0."""
Positive = Annotated[float, Above(0)]
"""A number above 0."""
Share = Annotated[float, Between(0, 1)]
"""A number from 0 to 1."""
Portion = Annotated[float, Between(0, 1, without="least")]
"""A number above 0 and up to 1: some of a whole, or all of it."""

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80
_short.maxlist = _short.maxtuple = _short.maxdict = 8


def shown(value: object) -> str:
    """Return a value as an error message shows it: whole if it is short."""
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"  # Python refuses to write very large ones
    return _short.repr(list(value) if isinstance(value, tuple) else value)


def call_explained(kind: Class) -> Class:
    """Decorate a dataclass: a call with missing, unknown or too many arguments raises a UsageError that lists them."""
    init = kind.__init__
    parameters = signature(init)

    @functools.wraps(init)
    def explained(self: object, *args: object, **kwargs: object) -> None:
        try:
            init(self, *args, **kwargs)
        except TypeError:
            try:
                parameters.bind(self, *args, **kwargs)
            except TypeError as error:
                known = [name for name in parameters.parameters if name != "self"]
                slip = next((name for name in kwargs if name not in known), "")
                meant = did_you_mean(slip, known)
                raise UsageError(f"{kind.__name__}: {error}; it takes {', '.join(known)}{meant}") from None
            raise

    kind.__init__ = explained
    return kind


def check_fields(config: Dataclass) -> None:
    """Refuse a configuration some field of which breaks its declaration; call it first in ``__post_init__``.

    A declaration is a type, and rules with it: ``draws: Annotated[int, AtLeast(1)]``, ``Annotated[float, Above(0)] |
    None``, ``tuple[Annotated[float, Between(0, 1)], ...]``.

    A whole number suits a field of type ``float``; true and false are no numbers; numbers are finite; a list suits a
    field of type ``tuple``. A field called ``seed`` or ``seeds`` takes what every generator of random numbers takes.

    Args:
        config: A dataclass.

    Raises:
        UsageError: Naming the field, what it takes and what it got.
    """
    kind = type(config)
    hints = _hints(kind)
    for field in fields(config):
        if hasattr(hints[field.name], "__set__"):
            continue  # a descriptor, which has checked what it was given
        hint, value, owner = hints[field.name], getattr(config, field.name), kind.__name__
        check_value(field.name, owner, hint, value)
        if (rule := _broken(hint, value)) is not None:
            default = field.default
            remedy = "." if default is MISSING or default is None else f"; the default is {shown(default)}."
            raise UsageError(f"`{field.name}` of {owner} must be {rule}; got {shown(value)}{remedy}")


def check_value(name: str, owner: str, hint: object, value: object) -> None:
    """Refuse a value that is not of a type.

    Args:
        name: The field.
        owner: Whose field it is.
        hint: The type.
        value: The value.

    Raises:
        UsageError: Naming the field, what it takes and what it got.
    """
    if not _suits(hint, value):
        raise UsageError(f"`{name}` of {owner} must be {in_words(hint)}; got {shown(value)}.")
    largest = LARGEST_SEED if name in ("seed", "seeds") else LARGEST
    least = 0 if name in ("seed", "seeds") else -LARGEST
    for number in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(number, int) and not least <= number <= largest:
            rule = f"in 0..{largest}" if least == 0 else f"at most {largest} and at least its negative"
            raise UsageError(f"`{name}` of {owner} must be {rule}; got {shown(number)}.")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _broken(hint: object, value: object) -> str | None:
    """Return the rule that a value of the right type breaks, in words; None if it keeps to all."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        broken = next((rule.words for rule in inside[1:] if not rule.holds(value)), None)
        return broken or _broken(inside[0], value)
    if origin in (Union, types.UnionType):
        found = [_broken(one, value) for one in inside if _suits(one, value)]
        return None if None in found else found[0]
    if origin is tuple and isinstance(value, (tuple, list)):
        broken = next((rule for one in value if (rule := _broken(inside[0], one)) is not None), None)
        return None if broken is None else f"a list, each {broken}"
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        broken = next((rule for one in value.values() if (rule := _broken(inside[1], one)) is not None), None)
        return None if broken is None else f"names and values, each {broken}"
    return None


def _suits(hint: object, value: object) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _suits(inside[0], value)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_suits(one, value) for one in inside)
    if origin is Literal:
        return any(type(one) is type(value) and one == value for one in inside)
    if origin is tuple:
        return isinstance(value, (tuple, list)) and all(_suits(inside[0], one) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _suits(inside[0], key) and _suits(inside[1], one) for key, one in value.items()
        )
    if hint is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and _is_finite(value)
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    kind = origin or hint
    return isinstance(value, kind) if isinstance(kind, type) else True


def _is_finite(value: numbers.Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond what a float can hold
        return False


def in_words(hint: object) -> str:
    """Return what a field of a type takes, in words."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return in_words(inside[0])
    if origin in (Union, types.UnionType):
        return " or ".join(in_words(one) for one in inside)
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin is tuple:
        return f"a list, each {in_words(inside[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return "names and values"
    simple = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false", type(None): "none"}
    return simple.get(hint) or f"a {getattr(hint, '__name__', hint)}"
