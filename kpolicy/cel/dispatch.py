"""Which overload of a function a call means: settled by the run-time types of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from kpolicy.cel.declarations import Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import DYN, STRING, Type, map_of
from kpolicy.cel.values import class_type, no_overload, type_of


class Callee:
    """A function as one call site sees it: its name, call style and number of arguments."""

    __slots__ = (
        "_by_class", "_opaque", "member", "name", "needs_context", "overloads", "standard",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        standard: Callable[..., Any] | None,
        overloads: Sequence[Overload],
        opaque: Mapping[type, Type],
        *,
        member: bool = False,
    ) -> None:
        self.name = name
        self.member = member
        self.standard = standard
        self.overloads = tuple(overloads)
        self.needs_context = any(o.needs_context for o in overloads)
        self._opaque = opaque
        self._by_class: dict[tuple[type, ...], tuple[Overload, ...]] = {}

    @property
    def cost(self) -> str | None:
        """The dearest of the overloads' costs."""
        costs = {overload.cost for overload in self.overloads}
        return "product" if "product" in costs else "size" if "size" in costs else None

    def invoke(self, args: Sequence[Any], context: Any = None) -> Any:
        """Return the function's value; every failure is a `CelError`."""
        overload = self.select(args)
        try:
            if overload is None:
                if self.standard is None:
                    raise CelError(no_overload(self.name, *args))
                return self.standard(*args)
            if overload.needs_context:
                return overload.implementation(context, *args)
            return overload.implementation(*args)
        except CelError:
            raise
        except RecursionError:
            raise CelError(f"{self.name} failed: its operands nest too deeply") from None
        except Exception as error:
            raise CelError(f"{self.name} failed: {type(error).__name__}: {error}") from error

    def select(self, args: Sequence[Any]) -> Overload | None:
        """Return the overload that the arguments fit; None means the standard function."""
        if not self.overloads:
            return None
        classes = tuple(map(type, args))
        found = self._by_class.get(classes)
        if found is None:
            found = tuple(
                overload
                for overload in self.overloads
                if all(map(self._fits, args, overload.parameters))
            )
            self._by_class[classes] = found
        if len(found) > 1:
            for overload in found:
                if all(map(self._fits_deeply, args, overload.parameters)):
                    return overload
            found = ()
        if found:
            return found[0]
        if self.standard is None:
            raise CelError(no_overload(self.name, *args))
        return None

    def settled(self, classes: tuple[type, ...]) -> Callable[..., Any]:
        """Return what to call for values of these classes: an implementation if they settle it."""
        names = [self._type_name(each) for each in classes]
        found = [
            overload
            for overload in self.overloads
            if all(
                p.is_parameter or p.name in ("dyn", "any", n)
                for p, n in zip(overload.parameters, names, strict=True)
            )
        ]
        implementations = {overload.implementation for overload in found}
        if len(implementations) == 1:
            return implementations.pop()
        if self.needs_context:
            return lambda context, *args: self.invoke(args, context)
        return lambda *args: self.invoke(args)

    def _type_name(self, kind: type) -> str:
        found = class_type(kind, self._opaque)
        return "" if found is None else found.name

    def _fits(self, value: Any, declared: Type) -> bool:
        name = declared.name
        if declared.is_parameter or name == "dyn" or name == "any":
            return True
        return self._type_name(type(value)) == name

    def _fits_deeply(self, value: Any, declared: Type) -> bool:
        """As `_fits`, and the first element or entry fits the type's parameters."""
        if not self._fits(value, declared):
            return False
        if not declared.parameters or declared.is_parameter:
            return True
        if isinstance(value, (list, tuple)):
            return not value or self._fits_deeply(value[0], declared.parameters[0])
        if isinstance(value, Mapping) and len(declared.parameters) == 2:
            key = next(iter(value), None)
            return key is None or (
                self._fits_deeply(key, declared.parameters[0])
                and self._fits_deeply(value[key], declared.parameters[1])
            )
        return True


class TypeOf:
    """`type(value)`, where values of some classes have types of their own."""

    __slots__ = ("_opaque",)

    def __init__(self, opaque: Mapping[type, Type]) -> None:
        self._opaque = opaque

    def __call__(self, value: Any) -> Type:
        """Return the type of a value."""
        return type_of(value, self._opaque)


class Functions:
    """The functions of an environment, by name."""

    __slots__ = ("_callees", "_opaque", "_overloads", "_structs")

    def __init__(self, libraries: Sequence[Library], opaque: Mapping[type, Type]) -> None:
        self._structs = tuple(struct for library in libraries for struct in library.structs)
        overloads: dict[str, dict[str, Overload]] = {}
        for library in libraries:
            for function in library.functions:
                known = overloads.setdefault(function.name, {})
                known.update({overload.id: overload for overload in function.overloads})
        self._overloads = overloads
        self._opaque = opaque
        self._callees: dict[tuple[str, int, bool], Callee | None] = {}

    def has(self, name: str) -> bool:
        """Say whether a function of that name is declared or standard."""
        return name in self._overloads or name in _standard_names()

    def callee(self, name: str, arity: int, member: bool) -> Callee | None:
        """Return the function of that name for `arity` arguments, the receiver counted."""
        key = (name, arity, member)
        if key not in self._callees:
            self._callees[key] = self._make(name, arity, member)
        return self._callees[key]

    def struct(self, name: str) -> Callee | None:
        """Return what makes a message of that name, from the name and its fields."""
        for struct in self._structs:
            if struct.claims(name):
                parameters = (STRING, map_of(STRING, DYN))
                overload = Overload(f"{struct.name}{{}}", parameters, DYN, struct.make)
                return Callee(f"{struct.name}{{}}", None, (overload,), self._opaque)
        return None

    def _make(self, name: str, arity: int, member: bool) -> Callee | None:
        from kpolicy.cel.library import standard as library

        standard = None
        if not member and name in _operators():
            standard = _operators()[name]
        elif name == "type" and arity == 1 and not member:
            standard = TypeOf(self._opaque)
        elif (name, arity) in library.FUNCTIONS and (
            name in library.BOTH or (name in library.MEMBERS) == member
        ):
            standard = library.FUNCTIONS[name, arity]
        overloads = [
            overload
            for overload in self._overloads.get(name, {}).values()
            if overload.member == member and len(overload.parameters) == arity
            and not _is_signature(overload)
        ]  # fmt: skip
        if standard is None and not overloads:
            return None
        return Callee(name, standard, overloads, self._opaque, member=member)


def _operators() -> Mapping[str, Callable[..., Any]]:
    from kpolicy.cel.runtime import OPERATORS

    return OPERATORS


@cache
def _standard_names() -> frozenset[str]:
    from kpolicy.cel.library import standard as library

    return frozenset(name for name, _ in library.FUNCTIONS) | {"type"} | frozenset(_operators())


def _is_signature(overload: Overload) -> bool:
    """Say whether an overload is a mere signature of a standard function."""
    return getattr(overload.implementation, "__module__", "") == "kpolicy.cel.standard"
