"""A compiled expression: `evaluate` is the generated function itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kpolicy.cel.cost import multiplies
from kpolicy.cel.errors import CelError, line_column
from kpolicy.cel.exact import Frame, Step, build
from kpolicy.cel.nodes import Call, Node
from kpolicy.cel.optimizer import fold
from kpolicy.cel.runtime import bounded
from kpolicy.cel.scopes import Resolved, resolve
from kpolicy.cel.types import Type

if TYPE_CHECKING:
    from kpolicy.cel.codegen import Generated
    from kpolicy.cel.environment import Environment


#: Longer sources are evaluated exactly: to make code of them takes longer than they save.
_MAX_GENERATED = 20_000


class Program:
    """One expression, ready to evaluate.

    - `evaluate(bindings, context=None)`: the value for variables by name; `context` reaches the
      overloads that need one. Raises `CelError` (phase evaluate) with line and column. It is made
      when first asked for, and is a plain function from then on.
    - `source`, `ast` (the parsed tree), `result_type` (None unless checked).
    - `references`: the free variables; `functions`: the functions called, operators apart.
    """

    __slots__ = (
        "_exact",
        "_multiplies",
        "_resolved",
        "ast",
        "environment",
        "evaluate",
        "result_type",
        "source",
    )

    evaluate: Callable[..., Any]

    def __init__(
        self, environment: Environment, source: str, ast: Node, result_type: Type | None = None
    ) -> None:
        self.environment = environment
        self.source = source
        self.ast = ast
        self.result_type = result_type
        self._resolved: Resolved | None = None
        self._exact: Step | None = None
        self._multiplies = False

    def __getattr__(self, name: str) -> Any:
        if name == "evaluate":
            self.evaluate = self._compiled()
            return self.evaluate
        raise AttributeError(name)

    @property
    def resolved(self) -> Resolved:
        """The tree with its names resolved and its constant parts folded."""
        if self._resolved is None:
            resolved = resolve(self.ast, self.environment.names)
            resolved.root = fold(resolved.root)
            self._resolved = resolved
        return self._resolved

    @property
    def references(self) -> frozenset[str]:
        """The names of the free variables."""
        return self.resolved.references

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions called, operators and macros apart."""
        return self.resolved.functions

    def calls(self, name: str) -> Sequence[Call]:
        """Return the calls of a function, as parsed: to read literal arguments at load."""
        return tuple(self.resolved.calls.get(name, ()))

    def evaluate_exactly(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Evaluate without the generated code: slower, and the word on what is right."""
        if self._exact is None:
            self._exact = build(
                self.resolved.root, self.source, lenient=self.environment.lenient_presence
            )
            self._multiplies = multiplies(self.resolved.root)
        resolved = self.resolved
        frame = Frame(bindings, context, resolved.slots, self.environment.budget)
        try:
            return bounded(self._exact(frame)) if self._multiplies else self._exact(frame)
        except CelError as error:
            if not error.line:
                error.line, error.column = line_column(self.source, resolved.root.offset)
            if not error.source:
                error.source = self.source
            raise
        except RecursionError:
            line, column = line_column(self.source, resolved.root.offset)
            raise CelError(
                "a value nests too deeply to evaluate",
                line=line,
                column=column,
                source=self.source,
            ) from None

    def dump(self) -> list[Any]:
        """Return the expression, parsed and checked, as JSON-able data for `Environment.load`."""
        from kpolicy.cel import serialize

        result = None if self.result_type is None else str(self.result_type)
        return [serialize.FORMAT, self.source, serialize.dump(self.ast), result]

    def python_source(self) -> str:
        """Return the generated code, to be read; '' when the expression is evaluated exactly."""
        generated = self.generated()
        return "" if generated is None else generated.source()

    def generated(self) -> Generated | None:
        """Return the generated code; None when the expression is evaluated exactly."""
        from kpolicy.cel.codegen import Unsupported, generate

        if len(self.source) > _MAX_GENERATED:
            return None
        try:
            return generate(self.resolved, self.source, self.environment.budget)
        except (Unsupported, RecursionError):
            return None

    def _compiled(self) -> Callable[..., Any]:
        generated = self.generated()
        if generated is None:
            return self.evaluate_exactly
        try:
            return generated.function(self.evaluate_exactly)
        except (RecursionError, SyntaxError, MemoryError):
            # Deeper than Python's compiler goes; the exact evaluation has no such limit.
            return self.evaluate_exactly

    def __repr__(self) -> str:
        return f"Program({self.source!r})"
