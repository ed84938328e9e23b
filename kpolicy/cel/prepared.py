"""Generated code that was written down as a Python module when kpolicy was built.

To make code of an expression takes some 2 ms, which a scan of a thousand manifests feels. What
ships with kpolicy is known beforehand: its code stands in a module, which Python compiles once.
A function takes the values that it carries by reference (`kpolicy.cel.runtime:contains`), and by
name those that belong to the environment, the overloads of a function. It is found by what it was
made from: the source, the variables, and all that the libraries declare.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.values import NONE

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.cel.environment import Environment
    from kpolicy.cel.program import Program

#: What a function carries: how it is found again, and with what.
Carried = tuple[Any, ...]
#: `FUNCTIONS` of a written module: code and what it carries, by `key_of`.
Functions = Mapping[bytes, tuple[FunctionType, Mapping[str, Carried]]]


class Unwritable(Exception):
    """Raised for code that carries a value which cannot be named."""


def fingerprint(libraries: Iterable[Library]) -> bytes:
    """Return what stands for everything that libraries declare; implementations apart."""
    digest = hashlib.blake2b(digest_size=16)
    for library in libraries:
        declared = [library.name, *sorted(library.constants), *(m.name for m in library.macros)]
        for function in library.functions:
            declared.append(function.name)
            for each in function.overloads:
                flags = f"{each.member}{each.needs_context}{each.cost}{each.settled}{each.parts}"
                declared += (each.id, flags, each.result.name)
                declared += [parameter.name for parameter in each.parameters]
        digest.update("\0".join(declared).encode())
    return digest.digest()


def key_of(source: str, names: Sequence[str], libraries: bytes) -> bytes:
    """Return what tells an expression's code; `libraries` is their `fingerprint`."""
    text = "\0".join((*names, source))
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, key=libraries).digest()


def function_of(
    found: tuple[FunctionType, Mapping[str, Carried]],
    source: str,
    environment: Callable[[], Environment],
    slow: Callable[..., Any],
) -> Callable[..., Any]:
    """Return the function of an expression, as `Generated.function` makes it."""
    written, carried = found
    namespace: dict[str, Any] = {
        name: _RESTORED[how](*what, source=source, environment=environment)
        for name, (how, *what) in carried.items()
    }
    namespace["slow"] = slow
    namespace["__builtins__"] = {}
    return FunctionType(written.__code__, namespace, "evaluate", (None,))


def written(programs: Iterable[tuple[Program, Sequence[str]]]) -> str:
    """Return the text of a module that holds the code of programs, given with their variables.

    Programs that have none, or whose code cannot be written, are left out.
    """
    functions: list[str] = []
    table: dict[bytes, str] = {}
    for program, names in programs:
        key = key_of(program.source, names, fingerprint(program.environment.libraries))
        if key in table:
            continue
        generated = program.generated()
        if generated is None:
            continue
        try:
            carried = {n: _named(value) for n, value in generated.constants.items()}
        except Unwritable:
            continue
        name = f"f{len(table)}"
        functions.append(generated.code().replace("def evaluate(", f"def {name}(", 1))
        table[key] = f"({name}, {carried!r})"
    entries = "".join(f"    {key!r}: {value},\n" for key, value in table.items())
    return "\n\n".join([*functions, f"FUNCTIONS = {{\n{entries}}}\n"])


def _named(value: Any) -> Carried:
    """Return how a value that code carries is found again. Raises `Unwritable`."""
    from kpolicy.cel.dispatch import Callee, TypeOf
    from kpolicy.cel.library.standard import Found
    from kpolicy.cel.support import ByClass, OverBudget
    from kpolicy.cel.types import Type

    if isinstance(value, ByClass):
        return ("by class", *_called(value.callee), value.single)
    if isinstance(value, OverBudget):
        return ("over budget", value.budget, value.line, value.column)
    if isinstance(value, Type):
        return ("type", str(value))
    if value is NONE:
        return ("none",)
    if isinstance(value, TypeOf):
        return ("type of",)
    if isinstance(value, frozenset) and all(type(item) is str for item in value):
        return ("strings", *sorted(value))
    if isinstance(value, MethodType) and isinstance(value.__self__, Callee):
        return ("invoke", *_called(value.__self__))
    if isinstance(value, Found):
        return ("found", value.compiled.pattern)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    try:
        if module is not None and _at(module, name) == value:
            return ("at", module, name)
    except (AttributeError, ImportError):
        pass
    raise Unwritable(repr(value))


def _called(callee: Any) -> tuple[str, int, bool]:
    """Return by what an environment knows a function."""
    if callee.name.endswith("{}"):
        raise Unwritable(callee.name)
    return callee.name, len(callee.overloads[0].parameters), callee.member


def _at(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _restored_at(module: str, name: str, **_: Any) -> Any:
    return _at(module, name)


def _restored_by_class(
    name: str, arity: int, member: bool, single: bool, *, environment: Any, **_: Any
) -> Any:
    from kpolicy.cel.support import ByClass

    return ByClass(environment().names.callee(name, arity, member), single=single)


def _restored_invoke(name: str, arity: int, member: bool, *, environment: Any, **_: Any) -> Any:
    return environment().names.callee(name, arity, member).invoke


def _restored_error(budget: int, line: int, column: int, *, source: str, **_: Any) -> Any:
    from kpolicy.cel.support import OverBudget

    return OverBudget(budget, line, column, source)


def _restored_found(pattern: str, **_: Any) -> Any:
    from kpolicy.cel.library.standard import Found
    from kpolicy.cel.library.standard import pattern as compiled

    return Found(compiled(pattern))


def _restored_type(text: str, **_: Any) -> Any:
    from kpolicy.cel.types import parse_type

    return parse_type(text)


def _restored_type_of(*, environment: Any, **_: Any) -> Any:
    return environment().names.callee("type", 1, False).standard


_RESTORED: Mapping[str, Callable[..., Any]] = {
    "at": _restored_at,
    "by class": _restored_by_class,
    "invoke": _restored_invoke,
    "over budget": _restored_error,
    "found": _restored_found,
    "type": _restored_type,
    "type of": _restored_type_of,
    "none": lambda **_: NONE,
    "strings": lambda *items, **_: frozenset(items),
}
