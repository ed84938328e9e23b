"""`kpolicy.records.dataclass` makes what the standard library's makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, replace

import pytest

from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class Quick:
    """A doc string."""

    a: int
    b: str = "x"
    """A documented field."""
    c: list[int] = field(default_factory=list)
    d: tuple[int, ...] = ()

    @property
    def double(self) -> int:
        """Twice a."""
        return self.a * 2

    @classmethod
    def of(cls, a: int) -> Quick:
        """Make one."""
        return cls(a)


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    """A doc string."""

    a: int
    b: str = "x"
    c: list[int] = field(default_factory=list)
    d: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class One:
    """One field."""

    only: int


@dataclass(frozen=True, slots=True, order=True)
class Ordered:
    """Compared by its values, in their order."""

    a: int
    b: int = 0


@dataclass(frozen=True, slots=True)
class Aside:
    """With a field that does not count, and one that is not shown."""

    a: int
    b: int = field(default=0, compare=False)
    c: int = field(default=0, repr=False)


@dataclass(slots=True)
class Mutable:
    """A base that can be changed."""

    a: int


@dataclass(slots=True)
class Derived(Mutable):
    """With a field more."""

    b: int = 0


@dataclass(slots=True, repr=False, eq=False)
class Plain(Mutable):
    """Compared and shown as its base."""

    c: int = 0


@dataclass(frozen=True, slots=True)
class Special:
    """Made by the standard library: a field that nobody gives."""

    a: int
    b: int = field(default=0, init=False)


def test_it_behaves_as_the_standard_librarys():
    for cls in (Quick, Standard):
        value = cls(1, c=[2])
        assert value == cls(1, "x", [2], ())
        assert value != cls(2, "x", [2], ())
        assert value != 1
        assert repr(value) == f"{cls.__name__}(a=1, b='x', c=[2], d=())"
        assert (value.a, value.b, value.c, value.d) == (1, "x", [2], ())
        assert cls(1).c is not cls(1).c
        assert is_dataclass(value)
        assert [f.name for f in fields(cls)] == ["a", "b", "c", "d"]
        assert replace(value, b="y") == cls(1, "y", [2])
        assert dataclasses.asdict(value) == {"a": 1, "b": "x", "c": [2], "d": ()}
        assert not hasattr(value, "__dict__")
        assert cls.__match_args__ == ("a", "b", "c", "d")
        assert cls.__doc__ == "A doc string."
        for change in (lambda v=value: setattr(v, "a", 2), lambda v=value: setattr(v, "z", 2),
                       lambda v=value: delattr(v, "a")):  # fmt: skip
            with pytest.raises((FrozenInstanceError, TypeError)):
                change()
        for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
            assert other == value
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'a'"):
            cls()
        with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
            cls(1, q=2)


def test_hashes_and_methods():
    assert hash(Quick(1, "x", (), ())) == hash(Quick(1, "x", (), ()))
    assert hash(One(1)) == hash(One(1))
    assert len({One(1), One(1), One(2)}) == 2
    assert Quick.of(4).double == 8
    assert Quick.__qualname__ == "Quick"
    assert list(inspect.signature(Quick).parameters) == ["a", "b", "c", "d"]
    match Quick(1, "z"):
        case Quick(a, b):
            assert (a, b) == (1, "z")


def test_identity_can_be_what_counts():
    @dataclass(frozen=True, slots=True, eq=False)
    class Thing:
        a: int

    one = Thing(1)
    assert one == one
    assert one != Thing(1)
    assert len({one, one, Thing(1)}) == 2


def test_order_and_fields_that_do_not_count():
    assert Ordered(1) < Ordered(1, 1) < Ordered(2)
    assert Ordered(2) >= Ordered(2) > Ordered(1, 9)
    with pytest.raises(TypeError):
        assert Ordered(1) < 1
    assert Aside(1, 2) == Aside(1, 3) != Aside(1, 3, 4)
    assert hash(Aside(1, 2)) == hash(Aside(1, 3))
    assert repr(Aside(1, 2, 3)) == "Aside(a=1, b=2)"


def test_what_can_be_changed_and_inherited():
    value = Derived(1, b=2)
    value.a = 5
    assert (value, value.b) == (Derived(5, 2), 2)
    assert (repr(value), [f.name for f in fields(Derived)]) == ("Derived(a=5, b=2)", ["a", "b"])
    assert replace(value, b=3) == Derived(5, 3)
    assert value != Mutable(5)
    assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value
    assert Derived.__match_args__ == ("a", "b")
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)
    with pytest.raises(AttributeError):
        value.z = 1
    assert Plain(1, 2) == Plain(1, 3), "as the standard library's: the base compares its own field"
    assert repr(Plain(1, 2)) == "Plain(a=1)"
    with pytest.raises(TypeError, match="cannot inherit frozen dataclass from a non-frozen one"):

        @dataclass(frozen=True, slots=True)
        class Frozen(Mutable):
            b: int


def test_what_is_out_of_the_ordinary_is_the_standard_librarys():
    assert Special(1).b == 0

    @dataclass(frozen=True, slots=True)
    class More(Special):
        c: int = 1

    assert More(1, 3).c == 3
    with pytest.raises(TypeError, match="non-default argument"):

        @dataclass(frozen=True, slots=True)
        class Wrong:
            a: int = 1
            b: int

    with pytest.raises(ValueError, match="mutable default"):

        @dataclass(frozen=True, slots=True)
        class Shared:
            a: list[int] = []  # noqa: RUF012


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the standard library is fast by itself")
def test_it_is_quick():
    """Most of the time of a class goes into functions that are never called."""
    for made in (Quick, Ordered, Aside, Mutable, Derived, Plain):
        assert made.__eq__.__module__ == "kpolicy.records"
    assert Standard.__eq__.__module__ != "kpolicy.records"


def test_classes_with_as_many_fields_keep_their_names() -> None:
    """They share the code of `__init__`; keywords and errors are each class's own."""

    @dataclass(frozen=True, slots=True)
    class Size:
        width: int
        height: int = 1

    @dataclass(frozen=True, slots=True)
    class Names:
        first: str
        others: list[str] = field(default_factory=list)

    assert (Size(width=2).height, Size(height=3, width=2).height) == (1, 3)
    assert Names(others=["b"], first="a") == Names("a", ["b"])
    assert Names("a").others == [] and Names("a").others is not Names("a").others
    with pytest.raises(TypeError, match=r"Names\.__init__\(\).*keyword argument 'width'"):
        Names(width=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Size\.__init__\(\) missing .*'width'"):
        Size()  # type: ignore[call-arg]
    assert list(inspect.signature(Names).parameters) == ["first", "others"]
