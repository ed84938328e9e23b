"""`NAME_test.yaml` to cases; strict, with the place of everything that is wrong."""

from __future__ import annotations

from typing import Any

from kpolicy.errors import PolicyError, Problem
from kpolicy.strict.node import SourceNode, compose
from kpolicy.strict.reader import Reader
from kpolicy.testing.model import Case, Expected, TestFile, Unreachable

_FILE = ("policy", "cases", "unreachable")
_CASE = (
    "name", "manifests", "files", "base", "params", "operation", "user", "findings", "matches",
)  # fmt: skip
_FINDING = ("resource", "message", "line", "path", "item", "outcome", "count", "related")
_MARK = ("in", "expression", "never", "reason")
_NEVER = ("true", "false", "empty", "non-empty", "read")
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")


def load_tests(path: str, text: str) -> TestFile:
    """Return the tests in a file. Raises `PolicyError` with all that is wrong in it."""
    documents, problems = compose(path, text)
    if problems:
        raise PolicyError(*problems)
    if len(documents) != 1:
        raise PolicyError(Problem(f"{path}: expected one document, found {len(documents)}"))
    node = documents[0]
    reader = Reader(node.source)
    top = reader.fields(node, "the test file", _FILE, ("policy", "cases"))
    cases: list[Case] = []
    names: set[str] = set()
    for number, entry in enumerate(reader.sequence(top.get("cases"), "cases")):
        case = _case(reader, entry, f"cases[{number}]")
        if case.name in names:
            reader.problem(f'two cases are named "{case.name}"', entry.location, "rename one")
        names.add(case.name)
        cases.append(case)
    if "cases" in top and not cases:
        reader.problem("cases is empty, so that nothing would be tested", top["cases"].location)
    policy = reader.string(top.get("policy"), "policy")
    entries = top.get("unreachable")
    marks = [
        _mark(reader, entry, f"unreachable[{number}]")
        for number, entry in enumerate(reader.sequence(entries, "unreachable") if entries else ())
    ]
    if reader.problems:
        raise PolicyError(*reader.problems)
    return TestFile(path, policy, tuple(cases), tuple(marks))


def _mark(reader: Reader, node: SourceNode, here: str) -> Unreachable:
    fields = reader.fields(node, here, _MARK, _MARK)
    never = fields.get("never")
    outcome = "" if never is None else never.text
    if never is not None and outcome not in _NEVER:
        message = f"{here}.never must be one of {', '.join(_NEVER)}"
        reader.problem(message, never.location)
    expression = fields.get("expression")
    reason = reader.string(fields.get("reason"), f"{here}.reason").strip()
    if "reason" in fields and not reason:
        reader.problem(f"{here}.reason is empty", fields["reason"].location, "say why no case can")
    return Unreachable(
        location=node.location,
        where=reader.string(fields.get("in"), f"{here}.in"),
        expression="" if expression is None else reader.string(expression, f"{here}.expression"),
        never=outcome,
        reason=reason,
    )


def _case(reader: Reader, node: SourceNode, here: str) -> Case:
    fields = reader.fields(node, here, _CASE, ("name", "findings"))
    manifests = fields.get("manifests")
    objects: tuple[Any, ...] = ()
    text = ""
    if manifests is not None and manifests.kind == "sequence":
        objects = tuple(reader.value(element) for element in manifests.elements())
    elif manifests is not None:
        text = reader.string(manifests, f"{here}.manifests")
    files = reader.strings(fields.get("files"), f"{here}.files")
    if manifests is None and not files:
        reader.problem(f"{here} has neither manifests nor files", node.location)
    count, findings = _findings(reader, fields.get("findings"), f"{here}.findings")
    return Case(
        name=reader.string(fields.get("name"), f"{here}.name"),
        location=node.location,
        manifests=text,
        objects=objects,
        files=files,
        base=reader.string(fields.get("base"), f"{here}.base"),
        params=_mapping(reader, fields.get("params"), f"{here}.params"),
        operation=reader.choice(fields.get("operation"), f"{here}.operation", _OPERATIONS, ""),
        user=_mapping(reader, fields.get("user"), f"{here}.user"),
        count=count,
        findings=findings,
        matches=_number(reader, fields.get("matches"), f"{here}.matches"),
    )


def _findings(
    reader: Reader, node: SourceNode | None, here: str
) -> tuple[int | None, tuple[Expected, ...]]:
    if node is None:
        return None, ()
    if node.kind == "scalar":
        return _number(reader, node, here), ()
    found = []
    for number, entry in enumerate(reader.sequence(node, here)):
        at = f"{here}[{number}]"
        part = reader.fields(entry, at, _FINDING, ())
        related = part.get("related")
        count = _number(reader, part.get("count"), f"{at}.count")
        found.append(
            Expected(
                resource=reader.string(part.get("resource"), f"{at}.resource"),
                message=reader.string(part.get("message"), f"{at}.message"),
                line=_number(reader, part.get("line"), f"{at}.line") or 0,
                path=reader.string(part.get("path"), f"{at}.path"),
                item=reader.string(part.get("item"), f"{at}.item"),
                outcome=reader.choice(
                    part.get("outcome"), f"{at}.outcome", ("fail", "error"), "fail"
                ),
                count=1 if count is None else count,
                related=None if related is None else reader.strings(related, f"{at}.related"),
            )
        )
    return None, tuple(found)


def _number(reader: Reader, node: SourceNode | None, what: str) -> int | None:
    if node is None:
        return None
    value = reader.value(node)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    reader.problem(f"{what} must be a number from 0 on", node.location)
    return None


def _mapping(reader: Reader, node: SourceNode | None, what: str) -> dict[str, Any]:
    if node is None:
        return {}
    value = reader.value(node)
    if isinstance(value, dict):
        return value
    reader.problem(f"{what} must be a mapping", node.location)
    return {}
