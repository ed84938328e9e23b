"""What the checker can complain about: one function for each complaint, wording in one place.

Each has the line and column of the thing that is wrong, says what was found and what was expected,
and hints at the next step where one is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kpolicy.cel.declarations import Overload
from kpolicy.cel.errors import CelError, line_column
from kpolicy.cel.suggest import did_you_mean
from kpolicy.cel.types import Type

#: Overloads named in a hint; more would hide the message.
_MAX_CANDIDATES = 5

#: The shape of each macro, for a call that has the wrong one.
_MACRO_SHAPES = {
    "all": "list.all(x, predicate) or .all(i, x, predicate)",
    "exists": "list.exists(x, predicate) or .exists(i, x, predicate)",
    "exists_one": "list.exists_one(x, predicate)",
    "existsOne": "list.existsOne(i, x, predicate)",
    "filter": "list.filter(x, predicate)",
    "map": "list.map(x, value) or .map(x, predicate, value)",
    "has": "has(object.field)",
    "transformList": "list.transformList(i, x, value) or .transformList(i, x, predicate, value)",
    "transformMap": "map.transformMap(k, v, value) or .transformMap(k, v, predicate, value)",
    "transformMapEntry": "map.transformMapEntry(k, v, {key: value})",
    "sortBy": "list.sortBy(x, key)",
    "optMap": "optional.optMap(x, value)",
    "optFlatMap": "optional.optFlatMap(x, optional)",
    "bind": "cel.bind(x, value, expression)",
}


def _error(source: str, offset: int, message: str, hint: str = "") -> CelError:
    line, column = line_column(source, offset)
    return CelError(message, phase="check", line=line, column=column, hint=hint, source=source)


def undeclared_name(
    source: str, offset: int, name: str, container: str, known: Iterable[str]
) -> CelError:
    """A variable, constant or type name that nothing declares."""
    within = f" (in container {container!r})" if container else ""
    known = sorted(k for k in known if not k.startswith("@"))
    hint = did_you_mean(name, known)
    if not hint and known and len(known) <= 12:
        hint = f"declared are {', '.join(known)}"
    return _error(source, offset, f"undeclared reference to {name!r}{within}", hint)


def refused_name(source: str, offset: int, why: str) -> CelError:
    """A variable that other environments have and this one cannot have."""
    return _error(source, offset, why)


def undeclared_function(
    source: str, offset: int, name: str, known: Iterable[str], method: bool
) -> CelError:
    """A function that no library declares."""
    short = name.rpartition(".")[2]
    if short in _MACRO_SHAPES:
        message = f"the macro {short!r} takes other arguments"
        return _error(source, offset, message, f"written {_MACRO_SHAPES[short]}")
    hint = did_you_mean(name, known)
    what = "method" if method else "function"
    return _error(source, offset, f"undeclared reference to {what} {name!r}", hint)


def no_matching_overload(
    source: str,
    offset: int,
    name: str,
    overloads: Sequence[Overload],
    arguments: Sequence[Type],
    method: bool,
) -> CelError:
    """A call whose argument types fit no overload of its function."""
    applied = signature(arguments, method=method)
    message = f"found no matching overload for {_operator(name)!r} applied to '{applied}'"
    styled = [o for o in overloads if o.member == method]
    if not styled:
        example = call_shape(name, overloads[0])
        hint = f"{name} is {'no' if method else 'a'} method: {example}" if overloads else ""
        return _error(source, offset, message, hint)
    of_receiver = [o for o in styled if method and o.parameters[0] == arguments[0]]
    shown = [call_shape(name, o) for o in of_receiver or styled][:_MAX_CANDIDATES]
    more = len(of_receiver or styled) - len(shown)
    hint = f"candidates: {', '.join(shown)}" + (f" and {more} more" if more else "")
    return _error(source, offset, message, hint)


def no_such_field(
    source: str, offset: int, owner: Type, field: str, known: Iterable[str]
) -> CelError:
    """A field that the schema of an object does not have."""
    known = list(known)
    hint = did_you_mean(field, known)
    if not hint and 0 < len(known) <= 12:
        hint = f"fields are {', '.join(sorted(known))}"
    return _error(source, offset, f"undefined field {field!r} in {owner}", hint)


def not_selectable(source: str, offset: int, kind: Type) -> CelError:
    """A selection from what has no fields."""
    return _error(source, offset, f"type '{shown(kind)}' does not support field selection")


def not_iterable(source: str, offset: int, kind: Type) -> CelError:
    """A comprehension over what is neither a list nor a map."""
    message = f"expression of type '{shown(kind)}' cannot be the range of a comprehension"
    return _error(source, offset, message, "must be list, map or dyn")


def type_mismatch(
    source: str, offset: int, expected: Type, found: Type, hint: str = ""
) -> CelError:
    """A value of another type than its place asks for."""
    return _error(
        source, offset, f"expected type '{shown(expected)}' but found '{shown(found)}'", hint
    )


def no_message_types(source: str, offset: int, name: str) -> CelError:
    """A message literal."""
    hint = "protobuf messages do not exist here; write a map literal"
    return _error(source, offset, f"undeclared message type {name!r}", hint)


def invalid_literal(source: str, offset: int, function: str, why: str) -> CelError:
    """A literal argument that its function always refuses."""
    return _error(source, offset, f"invalid {function} argument: {why}")


def shown(kind: Type) -> str:
    """Return a type for a message: without saying of each part that it may be null."""
    if kind.name == "wrapper":
        return shown(kind.parameters[0])
    if kind.parameters:
        return f"{kind.name}({', '.join(map(shown, kind.parameters))})"
    return str(kind)


def signature(arguments: Sequence[Type], *, method: bool) -> str:
    """Return argument types as a call shows them: `(int, string)` or `string.(int)`."""
    if method:
        return f"{shown(arguments[0])}.({', '.join(map(shown, arguments[1:]))})"
    return f"({', '.join(map(shown, arguments))})"


def call_shape(name: str, overload: Overload) -> str:
    """Return an overload as its call is written: `string.startsWith(string)`, `int + int`."""
    kinds = [str(p) for p in overload.parameters]
    symbol = _operator(name)
    if overload.member:
        return f"{kinds[0]}.{name}({', '.join(kinds[1:])})"
    match name:
        case "_[_]" | "_[?_]":
            return f"{kinds[0]}[{'?' if '?' in name else ''}{kinds[1]}]"
        case "_?_:_":
            return "{} ? {} : {}".format(*kinds)
    if name[0] in "_@" and len(kinds) == 2:
        return f"{kinds[0]} {symbol} {kinds[1]}"
    if name in ("!_", "-_"):
        return f"{symbol}{kinds[0]}"
    return f"{name}({', '.join(kinds)})"


def _operator(name: str) -> str:
    """Return an operator as it is written; other names as they are."""
    if name in ("_[_]", "_[?_]", "_?_:_"):
        return name.replace("_", "")
    if name == "@in":
        return "in"
    if name[:1] == "_" or name in ("!_", "-_"):
        return name.strip("_")
    return name
