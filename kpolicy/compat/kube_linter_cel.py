"""kube-linter's template `cel-expression`: an expression that gives the text of a finding.

Source: kube-linter's documentation of the template. `object` is the object, `objects` is every
object of its directory; both are JSON as Go writes and reads it (`kpolicy.compat.go_json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy.compat.go_json import as_go_writes
from kpolicy.policy.model import Violation

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

_TYPE = "map(string, dyn)"


@lru_cache(maxsize=64)
def program_of(source: str) -> Program:
    """Return the compiled expression. Raises `CelError` for one that does not compile."""
    from kpolicy import cel

    return cel.compile(source, variables={"object": _TYPE, "objects": f"list({_TYPE})"})


class CelCheck:
    """The check of one expression, for `Policy.check`."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._bodies: dict[int, tuple[Resource, Any]] = {}
        self._all: dict[tuple[int, str], tuple[Snapshot, list[Any]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (CelCheck, (self.source,))

    def __call__(
        self, resource: Resource, snapshot: Snapshot | None, params: Mapping[str, Any]
    ) -> Iterable[Violation]:
        """Yield what the expression says of a resource."""
        from kpolicy.cel import CelError

        program = program_of(self.source)
        bindings = {"object": self._body(resource)}
        if "objects" in program.references:
            bindings["objects"] = self._objects(resource, snapshot)
        try:
            answer = program.evaluate(bindings)
        except CelError as error:
            yield Violation(f"error evaluating CEL check expression: {error}")
            return
        if not isinstance(answer, str):
            what = type(answer).__name__
            yield Violation(f"error evaluating CEL check expression: expected a string, got {what}")
        elif answer:
            yield Violation(f"CEL check expression returned: {answer}")

    def _objects(self, resource: Resource, snapshot: Snapshot | None) -> list[Any]:
        key = (id(snapshot), resource.scope)
        if key not in self._all:
            others = snapshot.resources if snapshot is not None else (resource,)
            found = [
                self._body(other)
                for other in others
                if other.scope == resource.scope and other.decoding != "wrong-type"
            ]
            # The snapshot is kept, so that no other can take its id.
            self._all[key] = (snapshot, found)  # type: ignore[assignment]
        return self._all[key][1]

    def _body(self, resource: Resource) -> Any:
        known = self._bodies.get(id(resource))
        if known is None or known[0] is not resource:
            known = self._bodies[id(resource)] = (resource, as_go_writes(resource.body))
        return known[1]
