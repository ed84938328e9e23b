"""Why a policy decided as it did for one resource: as data, from which text and JSON are made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kpolicy.records import dataclass

#: Expressions are cut at this length in text.
_WIDTH = 160
#: A name alone says nothing: its value is that of the expression it stands in.
_NAME = re.compile(r"[A-Za-z_]\w*\Z")

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.cel.trace import Event, Trace
    from kpolicy.engine.evaluate import Unit, Verdict
    from kpolicy.engine.join import JoinEvaluator
    from kpolicy.relations.index import Hit
    from kpolicy.snapshot.resource import Resource


@dataclass(frozen=True, slots=True)
class Step:
    """One expression of the policy with its trace: `match condition "x"`, `validation 1` ..."""

    title: str
    trace: Trace


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question to a relation's index: the keys looked up, and what stood there."""

    relation: str
    resource: Resource
    filter: str
    hits: tuple[Hit, ...]
    keys: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PolicyTrace:
    """All that was evaluated, in order, and what came of it."""

    policy: str
    resource: Resource
    matched: str
    """"" when the policy met the resource, else why not."""
    steps: tuple[Step, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def trace_policy(unit: Unit, resource: Resource, evaluator: JoinEvaluator) -> PolicyTrace:
    """Evaluate a policy on a resource and return how it came to its decision."""
    from kpolicy.engine.evaluate import Variables, evaluate

    policy = unit.compiled.policy
    reason = _mismatch(unit, resource, evaluator)
    if reason:
        return PolicyTrace(policy.id, resource, reason)
    context = evaluator.context
    context.resource = resource
    context.filters = evaluator.filters.get(unit.number, {})
    bindings, _ = evaluator.bindings(resource)
    verdicts = tuple(evaluate(unit, resource, bindings, context, evaluator.around, True))
    steps: list[Step] = []
    if unit.admission is not None:
        from kpolicy.engine.admission.decide import first_sight

        bindings = first_sight(unit, resource, bindings, context, evaluator.around) or bindings
    else:
        bindings["params"] = unit.params
    variables = Variables(unit.compiled.variables, bindings, context)
    bindings["variables"] = variables
    if policy.check is None:
        steps += _steps(unit, bindings, context)
        # Only variables that something read were evaluated; they come after what read them.
        for name in list(variables):
            program = unit.compiled.variables[name]
            steps.append(Step(f"variables.{name}", trace_program(program, bindings, context)))
    asked = questions([step.trace for step in steps], context)
    return PolicyTrace(policy.id, resource, "", tuple(steps), tuple(asked), verdicts)


def _mismatch(unit: Unit, resource: Resource, evaluator: JoinEvaluator) -> str:
    if not unit.matcher.may_meet(resource):
        return f"the policy does not look at {resource.api_version} {resource.kind}"
    test = unit.matcher.test_for(evaluator.bindings(resource)[1])
    if test is not None and not test(resource):
        return "namespace, name, labels or operation do not match"
    return ""


def _steps(unit: Unit, bindings: dict[str, Any], context: Any) -> Iterator[Step]:
    for name, program in unit.compiled.conditions:
        made = trace_program(program, bindings, context)
        yield Step(f'match condition "{name}"', made)
        if made.root.failed or made.root.value is not True:
            return
    for validation in unit.compiled.validations:
        title = f"validation {validation.index + 1}"
        if validation.items is None:
            yield Step(title, trace_program(validation.test, bindings, context))
            continue
        items = trace_program(validation.items, bindings, context)
        yield Step(f"{title}, forEach {validation.variable} in", items)
        values = items.root.value if not items.root.failed else ()
        for number, item in enumerate(values if isinstance(values, (list, tuple)) else ()):
            inner = {**bindings, validation.variable: item}
            made = trace_program(validation.test, inner, context)
            yield Step(f"{title}, {validation.variable} = item {number} ({_name(item)})", made)


def trace_program(program: Program, bindings: Mapping[str, Any], context: Any) -> Trace:
    """Evaluate a program and return why it gave what it gave.

    A constant has no sub-expressions: it is its own reason.
    """
    from kpolicy.cel.nodes import Constant
    from kpolicy.cel.trace import Event, Trace, trace

    if isinstance(program.ast, Constant):
        event = Event(program.source.strip(), 1, 1, program.ast.value, "")
        return Trace(event, event, False)
    return trace(program, bindings, context)


def _name(item: Any) -> str:
    if isinstance(item, dict):
        metadata = item.get("metadata")
        named = metadata.get("name") if isinstance(metadata, dict) else item.get("name")
        if isinstance(named, str):
            return named
    return type(item).__name__ if isinstance(item, (dict, list)) else str(item)


def questions(traces: Sequence[Trace], context: Any) -> list[Lookup]:
    """Return each question to a relation that the traces hold, once, with its answer.

    Functions such as `isRelated` stop at the first answer; here they are answered in full.
    """
    from kpolicy.cel.errors import CelError
    from kpolicy.policy.compiled import JOINS

    found: dict[tuple[str, int, str], Lookup] = {}
    for event in (event for trace in traces for event in trace.root):
        if event.function not in JOINS or len(event.arguments) < 2:
            continue
        body, relation, *rest = event.arguments
        chosen = rest[0] if rest and isinstance(rest[0], str) else ""
        try:
            index, resource, reverse = context.index(relation, body)
            hits = tuple(context.related(body, relation, chosen or None))
            entries = index.entries(resource, reverse)
        except CelError:
            continue
        key = (relation, id(resource), chosen)
        tried = tuple(dict.fromkeys(tuple(_flat(entry.key)) for entry in entries))
        found.setdefault(key, Lookup(relation, resource, chosen, hits, tried))
    return list(found.values())


def as_text(traced: PolicyTrace, full: bool = False) -> str:
    """Return the trace for people; `full` = with the sub-expressions that did not decide."""
    resource = traced.resource
    lines = [f"{traced.policy} on {_title(resource)}  {resource.location}"]
    if traced.matched:
        return "\n".join([*lines, f"  not met: {traced.matched}"]) + "\n"
    for step in traced.steps:
        event = step.trace.root if full else step.trace.decisive
        lines += [f"  {step.title}", *event_lines(event, 2)]
        if step.trace.truncated:
            lines.append("    (the rest of this evaluation is not shown)")
    lines += [f"  {line}" for line in lookup_lines(traced.lookups)]
    for verdict in traced.verdicts:
        where = f" at {verdict.pointer}" if verdict.pointer else ""
        lines.append(
            f"  => {verdict.outcome}{where}{f': {verdict.message}' * bool(verdict.message)}"
        )
    if not traced.verdicts:
        lines.append("  => a match condition does not hold: the policy says nothing")
    return "\n".join(lines) + "\n"


def event_lines(event: Event, indent: int = 0) -> Iterator[str]:
    """Yield an event as indented text; whole resources by name, plain names left out."""
    turn = ", ".join(f"{name} = {_shown(value, 60)}" for name, value in event.turn)
    where = f"[{turn}] " if turn else ""
    outcome = f"error: {event.error}" if event.failed else _shown(event.value, 120)
    text = event.text if len(event.text) <= _WIDTH else f"{event.text[: _WIDTH - 1]}…"
    yield f"{'  ' * indent}{where}{text} => {outcome}"
    for child in event.children:
        if child.children or child.turn or not _NAME.match(child.text):
            yield from event_lines(child, indent + 1)


def _shown(value: Any, limit: int) -> str:
    from kpolicy.cel.values import show

    if _is_resource(value):
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        namespace = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        return f"{value['kind']} {namespace}{metadata.get('name', '')}"
    if isinstance(value, (list, tuple)) and value and _is_resource(value[0]):
        names = ", ".join(_shown(item, limit) for item in value[:5])
        more = f", and {len(value) - 5} more" if len(value) > 5 else ""
        return f"[{names}{more}]"
    return show(value, limit=limit)


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and "apiVersion" in value and "kind" in value


def lookup_lines(lookups: Sequence[Lookup]) -> list[str]:
    """Return a line for each question to an index, and one for each answer with its key."""
    lines = []
    for lookup in lookups:
        chosen = f", '{lookup.filter}'" if lookup.filter else ""
        lines.append(f"{_title(lookup.resource)}.related('{lookup.relation}'{chosen})")
        for hit in lookup.hits:
            other = hit.resource
            key = ", ".join(_flat(hit.here.key))
            lines.append(f"  -> {_title(other)}  {other.location}  (key {key})")
        if not lookup.hits:
            tried = "; ".join(", ".join(key) for key in lookup.keys)
            lines.append(f"  -> nothing ({f'keys {tried}' if tried else 'it has no key for this'})")
    return lines


def as_data(traced: PolicyTrace, full: bool = False) -> dict[str, Any]:
    """Return the trace as JSON-able data."""
    return {
        "policy": traced.policy,
        "resource": _ref(traced.resource),
        "matched": not traced.matched,
        "reason": traced.matched,
        "steps": [
            {
                "title": step.title,
                "trace": (step.trace.root if full else step.trace.decisive).as_json(),
                "truncated": step.trace.truncated,
            }
            for step in traced.steps
        ],
        "lookups": [
            {
                "relation": lookup.relation,
                "resource": _ref(lookup.resource),
                "filter": lookup.filter,
                "keys": [list(key) for key in lookup.keys],
                "hits": [
                    {
                        "resource": _ref(hit.resource),
                        "key": list(_flat(hit.here.key)),
                        "pointer": hit.here.pointer,
                        "otherPointer": hit.there.pointer,
                    }
                    for hit in lookup.hits
                ],
            }
            for lookup in traced.lookups
        ],
        "verdicts": [
            {"outcome": v.outcome, "message": v.message, "pointer": v.pointer}
            for v in traced.verdicts
        ],
    }


def _flat(key: Any) -> Iterator[str]:
    for part in key:
        if isinstance(part, tuple):
            yield from _flat(part)
        elif part not in (None, ""):
            yield str(part)


def _title(resource: Resource) -> str:
    from kpolicy.relations.graph import title

    return title(resource)


def _ref(resource: Resource) -> dict[str, Any]:
    at = resource.location
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
        "path": at.path,
        "line": at.line,
    }
