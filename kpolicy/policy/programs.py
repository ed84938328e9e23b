"""Programs that cost nothing until they run, and little until they run often.

A program from the cache is data until its first evaluation. What ships with kpolicy has its code
already (`kpolicy.policy.prepared`); of any other, the first evaluations walk its tree, and only one
that goes on running is turned into Python code (about 2 ms, which a small scan never earns back: an
evaluation saves some 10 us).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.cel import Program


class Patience:
    """After how many evaluations code is made; shared by the programs of a scan, which sets it.

    Code costs what some 150 walks cost. A scan of many files may well make it sooner.
    """

    __slots__ = ("walks",)

    def __init__(self, walks: int = 100) -> None:
        self.walks = walks

    def expect(self, files: int) -> None:
        """Adapt to the number of files that the programs will see."""
        self.walks = 100 if files < 400 else 10


class LazyProgram:
    """A `Program` in waiting. `evaluate` is replaced as it learns: first tree, then code."""

    __slots__ = (
        "_make", "_patience", "_prepared", "_program", "evaluate", "last", "names", "source",
    )  # fmt: skip

    evaluate: Callable[..., Any]

    def __init__(
        self,
        source: str,
        names: tuple[str, ...],
        make: Callable[[], Program],
        patience: Patience,
        program: Program | None = None,
        prepared: Callable[[LazyProgram], Callable[..., Any] | None] | None = None,
    ) -> None:
        self.source = source
        self.names = names
        """The variables of its environment."""
        self._make = make
        self._patience = patience
        self._program = program
        self._prepared = prepared
        """Gives the code of the program, if there is some without its tree."""
        self.last: Last | None = None
        """What `share` gave it."""
        self.evaluate = self._first

    @property
    def program(self) -> Program:
        """The program itself."""
        if self._program is None:
            self._program = self._make()
        return self._program

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.program, name)

    def evaluate_exactly(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Evaluate without the generated code."""
        return self.program.evaluate_exactly(bindings, context)

    def _first(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        prepared = None if self._prepared is None else self._prepared(self)
        if prepared is not None:
            self.evaluate = function = self._sharing(prepared)
            return function(bindings, context)
        program = self.program
        exactly = program.evaluate_exactly
        left = self._patience.walks

        def walk(bindings: Mapping[str, Any], context: Any = None) -> Any:
            nonlocal left
            left -= 1
            if left <= 0:
                self.evaluate = self._sharing(program.evaluate)
            return exactly(bindings, context)

        self.evaluate = walk
        return walk(bindings, context)

    def _sharing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of this program that first looks at what its like gave."""
        last = self.last
        if last is None:
            return function

        def evaluate(bindings: Mapping[str, Any], context: Any = None) -> Any:
            body = bindings["object"]
            asked, under, value = last[0]
            # The object of a deletion is null, for every resource.
            if asked is body and under is context and body is not None:
                return value
            value = function(bindings, context)
            last[0] = (body, context, value)
            return value

        return evaluate

    def __repr__(self) -> str:
        return f"LazyProgram({self.source!r})"


#: The object that programs of one source were last evaluated for, the context, and the value: one
#: item, so that threads (a Dask worker has some) see what belongs together.
Last = list[tuple[Any, Any, Any]]


def share(programs: Iterable[Any]) -> None:
    """Have programs that ask the same of an object alone evaluated once for each object.

    Only for policies that need nothing but their own resource: what others answer may change for
    one and the same object. Programs that are no `LazyProgram` are left as they are.
    """
    known: dict[str, LazyProgram] = {}
    for program in programs:
        if not isinstance(program, LazyProgram):
            continue
        first = known.setdefault(program.source, program)
        if first is program:
            continue
        others = {*first.names, *program.names} - {"object"}
        if any(name in program.source for name in others):
            continue
        if first.last is None:
            first.last = [(None, None, None)]
        program.last = first.last
