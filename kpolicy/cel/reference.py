"""Evaluation by cel-python: the oracle of the tests, and `--engine reference`.

The tree of a compiled program is written as text that cel-python parses (see `reference_text`);
operators, selection, macros and standard functions are then cel-python's own, while the functions
of kpolicy's libraries are offered to it as functions. docs/cel.md lists where cel-python differs
from CEL. It is some hundred times slower than the compiler.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy.cel import runtime
from kpolicy.cel.checker import TYPE_NAMES, Declarations
from kpolicy.cel.declarations import Library
from kpolicy.cel.dispatch import Functions
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import Node
from kpolicy.cel.reference_corrections import (
    corrected_evaluator,
    corrected_functions,
    names_of,
)
from kpolicy.cel.reference_text import NamedConstant, ReferenceText, write
from kpolicy.cel.types import Type
from kpolicy.cel.values import (
    Duration,
    Optional,
    Timestamp,
    UInt,
    make_map,
    type_of,
)

if TYPE_CHECKING:
    from kpolicy.cel.environment import Environment
    from kpolicy.cel.program import Program

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def reference_program(
    environment: Environment,
    source: str,
    *,
    expected: Type | None = None,
    check: bool = True,
    corrections: Iterable[str] | None = None,
) -> ReferenceProgram:
    """Compile `source` in `environment`, to be evaluated by cel-python.

    Parsing and checking are those of the environment; raises `CelError` as its `compile` does.
    `corrections` are the faults of cel-python to mend (see `CORRECTIONS`), None = all, () = none.
    """
    program = environment.compile(source, expected=expected, check=check)
    return ReferenceProgram(
        program, environment.libraries, environment.container, corrections=corrections
    )


class ReferenceProgram:
    """A program that cel-python evaluates; otherwise it answers as the compiled program does."""

    def __init__(
        self,
        program: Program,
        libraries: Iterable[Library],
        container: str = "",
        *,
        corrections: Iterable[str] | None = None,
    ) -> None:
        self._program = program
        self._corrections = names_of(corrections)
        self._libraries = tuple(libraries)
        self._declarations = Declarations.of(None, self._libraries, container)
        self._opaque = {
            kind: named for library in libraries for kind, named in library.opaque.items()
        }
        self._functions = Functions(self._libraries, self._opaque)
        self._runners: dict[frozenset[str], tuple[Any, ReferenceText]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def evaluate(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Return the value for `bindings`; raises `CelError` where the evaluation fails."""
        from celpy import celtypes
        from celpy.celparser import CELParseError
        from celpy.evaluation import CELEvalError

        runner, text = self._runner(frozenset(bindings))
        values = Values(self._opaque)
        lenient = self._program.environment.lenient_presence
        evaluation = _Evaluation(self._functions, values, context, lenient)
        variables: dict[str, Any] = {}
        for name, candidates in text.variables.items():
            for candidate in candidates:
                if candidate in bindings:
                    variables[name] = values.enter(bindings[candidate])
                    break
        for name, constant in text.constants.items():
            variables[name] = values.enter(self._constant(constant))
        runner.functions = {
            **evaluation.functions(text),
            **corrected_functions(self._corrections),
        }
        evaluator = corrected_evaluator(self._corrections)(runner.ast, runner.new_activation())
        try:
            with _deep_recursion():
                answer = evaluator.evaluate(variables or {"v": celtypes.BoolType(True)})
        except CELEvalError as error:
            raise _failure(error, self._program.source) from None
        except (CELParseError, RecursionError) as error:
            raise self._refused(error) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            # cel-python lets some of its own failures through; they are evaluation errors.
            message = f"cel-python: {type(error).__name__}: {error}"
            raise CelError(message, source=self._program.source) from None
        return values.leave(answer)

    def _text(self, bound: frozenset[str]) -> ReferenceText:
        root: Node = self._program.ast
        return write(root, self._declarations, bound, self._program.environment.lenient_presence)

    def _runner(self, bound: frozenset[str]) -> tuple[Any, ReferenceText]:
        if bound not in self._runners:
            text = self._text(bound)
            self._runners[bound] = (_compile(text.text, self._refused), text)
        return self._runners[bound]

    def _refused(self, error: Exception) -> CelError:
        return CelError(
            f"cel-python cannot take this expression: {error}",
            hint="use --engine compiled",
            source=self._program.source,
        )

    def _constant(self, constant: Any) -> Any:
        if not isinstance(constant, NamedConstant):
            return constant
        for library in self._libraries:
            if constant.name in library.constants:
                return library.constants[constant.name][1]
        return Type(TYPE_NAMES[constant.name].name)


@lru_cache(maxsize=1)
def celpy_environment() -> Any:
    """Return cel-python's environment; made once, since its parser is built with it."""
    import celpy

    with _deep_recursion():
        return celpy.Environment()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Give cel-python the stack that it needs, and take back the limit that it sets for all."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _compile(text: str, refused: Callable[[Exception], CelError]) -> Any:
    from celpy.celparser import CELParseError

    environment = celpy_environment()
    try:
        with _deep_recursion():
            return environment.program(environment.compile(text))
    except (CELParseError, RecursionError) as error:
        raise refused(error) from None


def _failure(error: Any, source: str) -> CelError:
    """Return cel-python's error as ours; the place is not known in the original text."""
    cause = error.__cause__
    if isinstance(cause, CelError):
        return cause
    told = error.args[0] if error.args else "evaluation failed"
    return CelError(f"cel-python: {told}", source=source)


class Values:
    """Values on their way into cel-python and back; what went in comes out as the same object."""

    def __init__(self, opaque: Mapping[type, Type]) -> None:
        from celpy import celtypes

        self.types = celtypes
        self.opaque = opaque
        # By id of cel-python's value; it is kept alive beside the original.
        self._originals: dict[int, tuple[Any, Any]] = {}

    def enter(self, value: Any) -> Any:
        """Return a value as cel-python's; opaque ones pass as they are."""
        types = self.types
        match value:
            case None:
                return None
            case bool():
                return types.BoolType(value)
            case UInt():
                return types.UintType(int(value))
            case int():
                return types.IntType(value)
            case float():
                return types.DoubleType(value)
            case str():
                return types.StringType(value)
            case bytes():
                return types.BytesType(value)
            case list() | tuple():
                return self._keep(types.ListType([self.enter(item) for item in value]), value)
            case Timestamp():
                moment = _EPOCH + datetime.timedelta(microseconds=value.nanoseconds // 1000)
                return self._keep(types.TimestampType(moment), value)
            case Duration():
                span = datetime.timedelta(microseconds=value.nanoseconds // 1000)
                return self._keep(types.DurationType(span), value)
            case Mapping():
                if _is_lazy(value):
                    return self._keep(_lazy_map_class()(value, self), value)
                pairs = {self.enter(key): self.enter(value[key]) for key in value}
                return self._keep(types.MapType(pairs), value)
        return value

    def _keep(self, made: Any, original: Any) -> Any:
        self._originals[id(made)] = (made, original)
        return made

    def leave(self, value: Any) -> Any:
        """Return cel-python's value as ours."""
        found = self._originals.get(id(value))
        if found is not None:
            return found[1]
        types = self.types
        match value:
            case None | types.NullType():
                return None
            case types.BoolType():
                return bool(value)
            case types.UintType():
                return UInt(value)
            case types.IntType():
                return int(value)
            case types.DoubleType():
                return float(value)
            case types.StringType():
                return str(value)
            case types.BytesType():
                return bytes(value)
            case types.TimestampType():
                since = value - _EPOCH
                return Timestamp(_microseconds(since) * 1000)
            case datetime.timedelta():
                return Duration(_microseconds(value) * 1000)
            case list():
                return [self.leave(item) for item in value]
            case dict():
                return make_map((self.leave(k), self.leave(v)) for k, v in value.items())
        return value


def _microseconds(span: datetime.timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def _is_lazy(value: Mapping[Any, Any]) -> bool:
    """Say whether a mapping computes its entries when they are read (`variables` of a policy)."""
    return not isinstance(value, dict) or hasattr(type(value), "__missing__")


@lru_cache(maxsize=1)
def _lazy_map_class() -> Any:
    """Return the class of maps whose entries enter when they are read."""
    from celpy.celtypes import MapType
    from celpy.evaluation import CELEvalError

    class LazyMap(MapType):
        def __init__(self, source: Mapping[Any, Any], values: Values) -> None:
            super().__init__()
            self._source = source
            self._values = values

        def __getitem__(self, key: Any) -> Any:
            try:
                return self._values.enter(self._source[self._values.leave(key)])
            except CelError as error:
                # A value, so that cel-python's logic operators can absorb it.
                failed = CELEvalError(error.message)
                failed.__cause__ = error
                return failed

        def get(self, key: Any, default: Any = None) -> Any:
            return self[key]

        def __contains__(self, key: object) -> bool:
            return self._values.leave(key) in self._source

        def __iter__(self) -> Any:
            return iter([self._values.enter(key) for key in self._source])

        def __len__(self) -> int:
            return len(self._source)

        def keys(self) -> Any:
            return list(self)

        def items(self) -> Any:
            return [(key, self[key]) for key in self]

    return LazyMap


class _Evaluation:
    """The functions that one evaluation offers to cel-python."""

    def __init__(
        self, functions: Functions, values: Values, context: Any, lenient: bool = False
    ) -> None:
        self._lenient = lenient
        self._functions = functions
        self._values = values
        self._context = context

    def functions(self, text: ReferenceText) -> dict[str, Callable[..., Any]]:
        """Return the helpers and the library functions that a text calls."""
        chosen: Mapping[Any, Any] = {}
        if self._lenient:
            from kpolicy.cel.presence import LENIENT

            chosen = LENIENT
        offered = {
            f"x_{name}": self._guarded(chosen.get(helper, helper))
            for name, helper in _HELPERS.items()
        }
        offered["x_type"] = self._guarded(lambda value: type_of(value, self._values.opaque))
        for mangled, (name, method) in text.functions.items():
            offered[mangled] = self._guarded(self._library_function(name, method))
        return offered

    def _library_function(self, name: str, method: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            callee = self._functions.callee(name, len(arguments), method)
            if callee is None:
                raise CelError(f"no such overload: {name} with {len(arguments)} arguments")
            return callee.invoke(arguments, self._context)

        return call

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` over cel-python's values; its errors become error values."""
        from celpy.evaluation import CELEvalError

        def call(*arguments: Any) -> Any:
            for argument in arguments:
                if isinstance(argument, CELEvalError):
                    return argument
            try:
                return self._values.enter(function(*map(self._values.leave, arguments)))
            except CelError as error:
                failed = CELEvalError(error.message)
                failed.__cause__ = error
                return failed

        return call


def _list(elements: Sequence[Any], optional: Sequence[int]) -> list[Any]:
    made = []
    for index, element in enumerate(elements):
        if index not in optional:
            made.append(element)
        elif (held := runtime.optional_element(element)).has_value:
            made.append(held.value)
    return made


def _map(keys: Sequence[Any], values: Sequence[Any], optional: Sequence[int]) -> Mapping[Any, Any]:
    pairs = []
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        if index not in optional:
            pairs.append((key, value))
        elif (held := runtime.optional_element(value)).has_value:
            pairs.append((key, held.value))
    return make_map(pairs)


def _merged(maps: Sequence[Any]) -> Mapping[Any, Any]:
    pairs: list[tuple[Any, Any]] = []
    for entry in maps:
        runtime.merge_entry(pairs, entry)
    return make_map(pairs)


def _sorted(elements: Sequence[Any], keys: Sequence[Any]) -> list[Any]:
    from kpolicy.cel.library.lists import sort_by_keys

    return sort_by_keys(list(elements), list(keys))


def _held(value: Any) -> list[Any]:
    optional = runtime.optional_element(value)
    return [optional.value] if optional.has_value else []


def _unbound(name: str) -> None:
    raise CelError(f"undeclared reference to {name!r}")


def _first(values: Sequence[Any]) -> Optional:
    return Optional.of(values[0]) if values else Optional.none()


def _flat(values: Sequence[Any]) -> Any:
    return runtime.optional_element(values[0]) if values else Optional.none()


_HELPERS: Mapping[str, Callable[..., Any]] = {
    "select": runtime.select,
    "has": runtime.has,
    "optional_select": runtime.optional_select,
    "index": runtime.index,
    "optional_index": runtime.optional_index,
    "elements": lambda value: list(runtime.elements(value)),
    "entries": lambda value: [list(pair) for pair in runtime.entries(value)],
    "list": _list,
    "map": _map,
    "map_of": lambda pairs: make_map((key, value) for key, value in pairs),
    "merged": _merged,
    "sorted": _sorted,
    "held": _held,
    "first": _first,
    "flat": _flat,
    "unbound": _unbound,
}
