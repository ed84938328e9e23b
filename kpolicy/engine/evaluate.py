"""One policy on one resource: what it decides, said in terms of the resource's own body.

Nothing here ends a scan: an evaluation that fails becomes an outcome of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from kpolicy.cel.errors import CelError
from kpolicy.engine.places import item_name, named_pointer, pointer_to, scalar_pointers, value_at
from kpolicy.findings import Certainty, Outcome
from kpolicy.policy.compiled import CompiledPolicy, CompiledValidation
from kpolicy.policy.model import Edit
from kpolicy.records import dataclass
from kpolicy.relations.missing import MissingTarget

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.policy.matching import Matcher
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

#: Stands for "no value" where None is one.
_NOTHING: Any = object()


class Verdict(NamedTuple):
    """What one validation of a policy said of a resource, before it becomes a finding."""

    validation: int
    outcome: Outcome
    message: str
    pointer: str = ""
    position: tuple[int, int] = (0, 0)
    """A place given as such (by a Python policy); (0, 0) = that of `pointer`."""
    identity: str = ""
    """The item by names, for the fingerprint."""
    item: str = ""
    related: tuple[tuple[Resource, str, str], ...] = ()
    """Other resources with the relation that led there and the pointer in them."""
    certainty: Certainty = ""
    severity: str = ""
    """What this finding counts for; "" = the policy's severity."""
    details: tuple[tuple[str, str], ...] = ()
    """What a policy format adds: the binding, the reason, audit annotations."""
    fix: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A policy as it runs in this scan: compiled, with its matcher and its parameters."""

    compiled: CompiledPolicy
    matcher: Matcher
    params: Mapping[str, Any]
    number: int = 0
    admission: Any = None
    """What an admission policy knows besides (`kpolicy.engine.admission.unit.Admission`)."""


class Variables(dict[str, Any]):
    """A policy's variables: each is evaluated when it is first read, and its failure is kept."""

    __slots__ = ("_bindings", "_context", "_failed", "_programs")

    def __init__(
        self, programs: Mapping[str, Program], bindings: dict[str, Any], context: Any
    ) -> None:
        self._programs = programs
        self._bindings = bindings
        self._context = context
        self._failed: dict[str, CelError] | None = None

    def __missing__(self, name: str) -> Any:
        if self._failed is not None and name in self._failed:
            raise self._failed[name]
        program = self._programs.get(name)
        if program is None:
            raise CelError(f"no such key: {name}")
        try:
            value = program.evaluate(self._bindings, self._context)
        except CelError as error:
            failed = CelError(f"variable {name}: {error.message}")
            self._failed = {**(self._failed or {}), name: failed}
            raise failed from error
        self[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._programs


#: Finds, for a resource reached from the one evaluated: relation, pointer here, pointer there.
Locator = Callable[["Resource", CompiledPolicy], tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an evaluation can reach beyond the resource; None in the local phase."""

    snapshot: Snapshot
    locate: Locator


def evaluate(
    unit: Unit,
    resource: Resource,
    bindings: dict[str, Any],
    context: Any,
    around: Surroundings | None = None,
    everything: bool = False,
) -> Sequence[Verdict]:
    """Return what `unit`'s policy says of `resource`: fails and errors, and with `everything` all.

    `bindings` holds `object` and what else the policy reads; `params` and `variables` are set here.
    """
    compiled = unit.compiled
    if unit.admission is not None:
        from kpolicy.engine.admission.decide import evaluate_admission

        return evaluate_admission(unit, resource, bindings, context, around, everything)
    if compiled.policy.check is not None:
        return _python(unit, resource, around, everything, bindings.get("oldObject"))
    bindings["params"] = unit.params
    if compiled.conditions:
        false, error = _conditions(compiled, bindings, context)
        if false:
            return (skipped(f'match condition "{false}" is false'),) if everything else ()
        if error:
            return (_failed(compiled, -1, error),)
    if compiled.variables:
        bindings["variables"] = Variables(compiled.variables, bindings, context)
    verdicts: list[Verdict] | None = None
    for validation in compiled.validations:
        if validation.items is not None:
            found = _for_each(compiled, validation, resource, bindings, context, around)
        else:
            try:
                if validation.test.evaluate(bindings, context) is True:
                    continue
                found = [_violation(compiled, validation, resource, bindings, context, around)]
            except CelError as error:
                found = [_failed(compiled, validation.index, str(error), resource)]
        if found:
            verdicts = found if verdicts is None else verdicts + found
    if verdicts is None:
        return (Verdict(0, "pass", ""),) if everything else ()
    return verdicts


def skipped(reason: str) -> Verdict:
    """Return that a policy has nothing to say of a resource of a kind that it meets, and why."""
    return Verdict(-1, "skip", f"skipped: {reason}")


def _conditions(
    compiled: CompiledPolicy, bindings: dict[str, Any], context: Any
) -> tuple[str, str]:
    """Return the name of a match condition that is false, and the first failure.

    As in Kubernetes, one false condition excludes the resource even where another one fails.
    """
    failure = ""
    for name, program in compiled.conditions:
        try:
            if program.evaluate(bindings, context) is not True:
                return name, ""
        except CelError as error:
            failure = failure or f'match condition "{name}": {error}'
    return "", failure


def _failed(
    compiled: CompiledPolicy, validation: int, error: str, resource: Resource | None = None
) -> Verdict:
    ignore = compiled.policy.failure_policy == "Ignore"
    what = "" if validation < 0 else f"validation {validation + 1}: "
    message = f"could not be evaluated: {what}{error}"
    return Verdict(max(validation, 0), "skip" if ignore else "error", message)


def _for_each(
    compiled: CompiledPolicy,
    validation: CompiledValidation,
    resource: Resource,
    bindings: dict[str, Any],
    context: Any,
    around: Surroundings | None,
) -> list[Verdict]:
    assert validation.items is not None
    try:
        items = validation.items.evaluate(bindings, context)
    except CelError as error:
        return [_failed(compiled, validation.index, f"forEach: {error}")]
    if not isinstance(items, (list, tuple)):
        message = f"forEach: expected a list, got {type(items).__name__}"
        return [_failed(compiled, validation.index, message)]
    if not items:
        return []
    found: list[Verdict] = []
    variable = validation.variable
    for index, item in enumerate(items):
        bindings[variable] = item
        try:
            if validation.test.evaluate(bindings, context) is True:
                continue
            found.append(
                _violation(compiled, validation, resource, bindings, context, around, items, index)
            )
        except CelError as error:
            verdict = _failed(compiled, validation.index, str(error))
            pointer = _pointer_of_item(resource.body, items, index)
            named = _identity(resource.body, pointer, item)
            found.append(
                verdict._replace(pointer=pointer or "", identity=named, item=item_name(item))
            )
    bindings.pop(variable, None)
    return found


def _violation(
    compiled: CompiledPolicy,
    validation: CompiledValidation,
    resource: Resource,
    bindings: dict[str, Any],
    context: Any,
    around: Surroundings | None,
    items: Sequence[Any] = (),
    index: int = -1,
) -> Verdict:
    body = resource.body
    item = items[index] if index >= 0 else _NOTHING
    related: list[tuple[Resource, str, str]] = []
    pointer: str | None = None
    identity = name = ""
    certainty: Certainty = ""
    if item is not _NOTHING:
        other = _other_resource(item, resource, around)
        if other is not None and around is not None:
            relation, pointer, there = around.locate(other, compiled)
            related.append((other, relation, there))
        elif isinstance(item, MissingTarget):
            pointer = str(item.get("pointer", ""))
            name = str(item.get("name", ""))
            identity = f"{named_pointer(body, pointer)}|{item.get('kind')}|{name}"
            certainty = cast(Certainty, item.get("certainty", ""))
        elif around is not None and isinstance(item, dict) and "otherPointer" in item:
            pointer = str(item.get("pointer", ""))
            identity = named_pointer(body, pointer)
            name = item_name(item.get("here"))
            other = _other_resource(item.get("resource"), resource, around)
            if other is not None:
                relation = around.locate(other, compiled)[0]
                related.append((other, relation, str(item["otherPointer"])))
        else:
            pointer = _pointer_of_item(body, items, index)
            name = item_name(item)
            identity = _identity(body, pointer, item)
    placed: str | None = None
    if validation.at is not None:
        placed = _at(validation, body, bindings, context)
        if placed is not None:
            if item is not _NOTHING and pointer is None:
                # An item that CEL made (a mount with its container): it is what `at` points at.
                identity = f"{named_pointer(body, placed)}|{identity}"
                name = name or item_name(value_at(body, placed))
            pointer = placed
    edits: tuple[Edit, ...] = ()
    if validation.fix:
        from kpolicy.engine.fixing import edits_of

        own = None if item is _NOTHING else _pointer_of_item(body, items, index)
        anchor = _fix_anchor(validation, body, item is _NOTHING, own, placed, bindings, context)
        edits = edits_of(validation, body, anchor, bindings, context)
    if validation.related is not None and around is not None:
        _add_related(validation.related, compiled, resource, bindings, context, around, related)
    return Verdict(
        validation=validation.index,
        outcome="fail",
        message=_message(validation, bindings, context),
        pointer=pointer or "",
        identity=identity,
        item=name,
        related=tuple(related),
        certainty=certainty,
        fix=edits,
    )


def _fix_anchor(
    validation: CompiledValidation,
    body: Any,
    whole: bool,
    item: str | None,
    placed: str | None,
    bindings: dict[str, Any],
    context: Any,
) -> str | None:
    """Return what a fix's paths start from: the item, else what `at` names, else the object.

    None where that is no part of the object: an item that CEL made, an absent field.
    """
    if item is not None:
        return item
    if validation.at is None:
        return "" if whole else None
    if placed is None:
        return None
    try:
        meant = validation.at.evaluate(bindings, context)
    except CelError:
        return None
    # Where the value is absent or made by CEL, `placed` is only what stands around it.
    found = value_at(body, placed)
    exact = found is meant if isinstance(meant, (dict, list)) else found == meant
    return placed if exact else None


def _message(validation: CompiledValidation, bindings: dict[str, Any], context: Any) -> str:
    """Return the message as Kubernetes chooses it: the expression's, the fixed one, the default."""
    if validation.message_expression is not None:
        try:
            text = validation.message_expression.evaluate(bindings, context)
        except CelError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    if validation.message.strip():
        return " ".join(validation.message.split())
    return f"failed expression: {' '.join(validation.test.source.split())}"


def _pointer_of_item(body: Any, items: Sequence[Any], index: int) -> str | None:
    item = items[index]
    if isinstance(item, (dict, list)):
        return pointer_to(body, item)
    base = pointer_to(body, items)
    if base is not None:
        return f"{base}/{index}"
    found = list(scalar_pointers(body, item)) if isinstance(item, str) else []
    return found[0] if len(found) == 1 else None


def _identity(body: Any, pointer: str | None, item: Any) -> str:
    if pointer is not None:
        return named_pointer(body, pointer)
    return item_name(item)


def _other_resource(item: Any, resource: Resource, around: Surroundings | None) -> Resource | None:
    if around is None or not isinstance(item, dict):
        return None
    found = around.snapshot.resource_of(item)
    return None if found is resource else found


def _at(
    validation: CompiledValidation, body: Any, bindings: dict[str, Any], context: Any
) -> str | None:
    """Return the pointer that `at` means; for something absent, that of its container."""
    for program, key in validation.at_chain:
        try:
            value = program.evaluate(bindings, context)
        except CelError:
            continue
        if not isinstance(value, (dict, list)):
            continue
        pointer = pointer_to(body, value)
        if pointer is None:
            continue
        if key is not None and not isinstance(key, (str, int)):
            try:
                key = key.evaluate(bindings, context)
            except CelError:
                return pointer
        if key is None or isinstance(key, bool):
            return pointer
        if isinstance(value, dict) and isinstance(key, str) and key in value:
            from kpolicy.engine.places import escape

            return f"{pointer}/{escape(str(key))}"
        if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            return f"{pointer}/{key}"
        return pointer
    return None


def _add_related(
    program: Program,
    compiled: CompiledPolicy,
    resource: Resource,
    bindings: dict[str, Any],
    context: Any,
    around: Surroundings,
    related: list[tuple[Resource, str, str]],
) -> None:
    """Add what the `related` expression names; a failing one adds nothing, the finding stands."""
    try:
        value = program.evaluate(bindings, context)
    except CelError:
        return
    known = {id(other) for other, _, _ in related}
    for body in value if isinstance(value, (list, tuple)) else (value,):
        other = _other_resource(body, resource, around)
        if other is None or id(other) in known:
            continue
        known.add(id(other))
        relation, _, there = around.locate(other, compiled)
        related.append((other, relation, there))


def _python(
    unit: Unit,
    resource: Resource,
    around: Surroundings | None,
    everything: bool,
    old: Any = None,
) -> Sequence[Verdict]:
    """Run a policy made in Python; what it raises becomes an error that names the policy.

    One whose metadata says `old` gets the base's body of the resource as well, None without one.
    """
    check: Any = unit.compiled.policy.check
    more = (old,) if unit.compiled.policy.metadata.get("old") else ()
    snapshot: Any = around.snapshot if around is not None else None
    found: list[Verdict] = []
    try:
        for violation in check(resource, snapshot, unit.params, *more):
            pointer, position = "", (0, 0)
            at = violation.at
            if isinstance(at, tuple):
                position = (int(at[0]), int(at[1]))
            elif isinstance(at, str):
                pointer = at if value_at(resource.body, at) is not None or not at else ""
            elif at is not None:
                pointer = pointer_to(resource.body, at) or ""
            found.append(
                Verdict(
                    0, "fail", " ".join(str(violation.message).split()), pointer, position,
                    violation.item or named_pointer(resource.body, pointer), violation.item,
                    tuple((other, "", "") for other in violation.related),
                    fix=_settled(resource.body, violation.fix) if violation.fix else (),
                )
            )  # fmt: skip
    except Exception as error:  # a plugin's code: whatever it raises must not end the scan
        plugin = f" of plugin {unit.compiled.policy.plugin}" if unit.compiled.policy.plugin else ""
        message = f"the check{plugin} raised {type(error).__name__}: {error}"
        found.append(_failed(unit.compiled, 0, message))
    if not found and everything:
        return (Verdict(0, "pass", ""),)
    return found


def _settled(body: Any, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    from kpolicy.fixes.patch import PatchError, settle

    try:
        return settle(body, edits)
    except PatchError:
        return ()
