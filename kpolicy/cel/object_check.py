"""Checks one expression for each kind of object that it may meet.

A field that no kind has is an error; one that only some kinds lack is a warning, unless the
expression asks for the field (`has(object.spec.template)`) or for the kind (`object.kind == 'Pod'`)
before it reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kpolicy.cel import nodes
from kpolicy.cel.checker import Declarations, Findings, examine, path_of
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import children
from kpolicy.cel.types import Type
from kpolicy.records import dataclass

#: Kinds named in a warning; more would hide the message.
_MAX_NAMED = 4


@dataclass(frozen=True, slots=True)
class Meeting:
    """A kind that an expression may meet: its name for messages, and what names mean with it.

    `guarded` are paths that something evaluated before asked for (a match condition), `kind_known`
    says that it asked for the kind.
    """

    name: str
    declarations: Declarations
    guarded: frozenset[str] = frozenset()
    kind_known: bool = False

    def after(self, report: ObjectReport, index: int) -> Meeting:
        """Return this meeting for what is evaluated after the expression of `report`."""
        return replace(self, guarded=report.guarded[index], kind_known=report.asks_for_kind)


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What is wrong for all kinds and for some; per kind, the result's type and the guards."""

    errors: tuple[CelError, ...] = ()
    warnings: tuple[CelError, ...] = ()
    results: tuple[Type, ...] = ()
    guarded: tuple[frozenset[str], ...] = ()
    asks_for_kind: bool = False


def check_objects(root: nodes.Node, source: str, meetings: Sequence[Meeting]) -> ObjectReport:
    """Check an expression for every kind in `meetings` and return what is wrong."""
    found = [examine(root, meeting.declarations, source) for meeting in meetings]
    guarded = tuple(
        meeting.guarded | {a.path for a in findings.absent if a.asked and a.path}
        for meeting, findings in zip(meetings, found, strict=True)
    )
    by_place: dict[tuple[int, int], dict[int, CelError]] = {}
    for index, findings in enumerate(found):
        for error in _unguarded(findings, guarded[index]):
            by_place.setdefault((error.line, error.column), {}).setdefault(index, error)
    asked: dict[tuple[int, int], dict[int, CelError]] = {}
    for index, findings in enumerate(found):
        for absent in findings.absent:
            if absent.asked:
                place = (absent.error.line, absent.error.column)
                asked.setdefault(place, {}).setdefault(index, absent.error)
    errors = [
        _best(kinds.values())
        for places in (by_place, asked)
        for kinds in places.values()
        if len(kinds) == len(meetings)
    ]
    known = meetings[0].kind_known
    asks_for_kind = known or not paths_read(root).isdisjoint(("object.kind", "object.apiVersion"))
    # An expression that asks for the kind knows what it reads.
    partial = {} if asks_for_kind else by_place
    warnings = [
        _of_some(kinds, meetings) for kinds in partial.values() if len(kinds) < len(meetings)
    ]
    return ObjectReport(
        tuple(sorted(errors, key=_place)),
        tuple(sorted(warnings, key=_place)),
        tuple(findings.result for findings in found),
        guarded,
        asks_for_kind,
    )


def _unguarded(findings: Findings, guarded: frozenset[str]) -> list[CelError]:
    """Return the errors but for those of fields behind a path that is asked for."""
    excused = {
        id(absent.error)
        for absent in findings.absent
        if any(absent.path == path or absent.path.startswith(f"{path}.") for path in guarded)
    }
    return [error for error in findings.errors if id(error) not in excused]


def paths_read(root: nodes.Node) -> frozenset[str]:
    """Return the paths (`object.kind`, `variables.pod.spec`) that an expression reads."""
    found = set()
    pending = [root]
    while pending:
        node = pending.pop()
        found.add(path_of(node))
        pending.extend(children(node))
    return frozenset(found - {""})


def _place(error: CelError) -> tuple[int, int]:
    return error.line, error.column


def _best(errors: Iterable[CelError]) -> CelError:
    """Return the error that helps most: the first with a hint."""
    listed = list(errors)
    return next((error for error in listed if "did you mean" in error.hint), listed[0])


def _of_some(kinds: Mapping[int, CelError], meetings: Sequence[Meeting]) -> CelError:
    error = _best(kinds.values())
    names = [meetings[index].name for index in kinds]
    named = ", ".join(names[:_MAX_NAMED])
    more = len(names) - _MAX_NAMED
    return CelError(
        f"{error.message}, for {named}" + (f" and {more} more" if more > 0 else ""),
        phase=error.phase,
        line=error.line,
        column=error.column,
        hint=error.hint or "ask for the field with has() first, or match fewer kinds",
        source=error.source,
    )
