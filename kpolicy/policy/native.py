"""kpolicy's own policy format (`apiVersion: kpolicy.dev/v1`, `kind: Policy`), read strictly."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from kpolicy.policy.constraints import read_constraints
from kpolicy.policy.formats import Loaded
from kpolicy.policy.model import (
    Expression,
    FixStep,
    ForEach,
    Match,
    NamedExpression,
    Param,
    ParamType,
    Policy,
    Severity,
    Validation,
)
from kpolicy.policy.params import PARAM_TYPES, misfit
from kpolicy.policy.source import Reader, SourceNode

SEVERITIES = ("error", "warning", "info")

_TOP = ("apiVersion", "kind", "metadata", "spec")
_METADATA = ("name", "labels", "annotations")
_SPEC = (
    "title", "severity", "category", "pack", "default", "description", "remediation", "references",
    "params", "match", "matchConstraints", "matchConditions", "filters", "variables", "validations",
    "failurePolicy",
)  # fmt: skip
_MATCH = ("kinds", "excludeKinds", "namespaces", "names", "labels", "decoded")
_VALIDATION = ("forEach", "expression", "message", "messageExpression", "at", "related", "fix")

_FIX_OPS = ("add", "replace", "remove", "move")
#: A JSON pointer (RFC 6901), from the item, or from the object where `object` stands before it.
_FIX_PATH = re.compile(r"(object)?(/([^~/]|~[01])*)*\Z")

POLICY_ID = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_KIND = re.compile(r"(\*|[a-z0-9.-]*/)?([A-Za-z0-9*]+/)?([A-Z][A-Za-z0-9]*|\*)\Z")
_GROUP = re.compile(r"[a-z][a-z0-9-]*\Z")
_CONDITION = re.compile(
    r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z"
)

#: Names that an expression already has a meaning for; a forEach variable may not take them.
TAKEN = frozenset(
    ("object", "oldObject", "request", "params", "namespaceObject", "variables", "item",
     "authorizer", "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for",
     "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void",
     "while")
)  # fmt: skip


def load_native(document: SourceNode) -> Loaded:
    """Return the policy or relation of a native document, or all that is wrong with it."""
    kind = document.get("kind")
    if kind is not None and kind.value == "Relation":
        from kpolicy.relations.declared import read_relation

        declared, wrong = read_relation(document)
        return Loaded((), wrong, (declared,) if declared is not None else ())
    reader = Reader(document.source)
    top = reader.fields(document, "the policy", _TOP, ("metadata", "spec"))
    name = ""
    if "metadata" in top:
        metadata = reader.fields(top["metadata"], "metadata", _METADATA, ("name",))
        if "name" in metadata:
            node = metadata["name"]
            name = reader.string(node, "metadata.name")
            if name and not POLICY_ID.match(name):
                reader.problem(
                    f'"{name}" is no policy id', node.location,
                    "lower-case letters, digits, dots and hyphens, as in run-as-non-root",
                )  # fmt: skip
    if "spec" not in top:
        return Loaded((), tuple(reader.problems))
    spec = reader.fields(top["spec"], "spec", _SPEC, ("validations",))
    given_default = spec.get("default")
    metadata_extra: dict[str, Any] = {"default-given": given_default is not None}
    if "match" in spec and "matchConstraints" in spec:
        reader.problem(
            "spec has both match and matchConstraints",
            spec["matchConstraints"].location,
            "keep one of the two",
        )
    if "matchConstraints" in spec:
        metadata_extra["matchConstraints"] = read_constraints(
            reader, spec["matchConstraints"], "spec.matchConstraints"
        )
    policy = Policy(
        id=name,
        severity=cast(Severity, reader.choice(
            spec.get("severity"), "spec.severity", SEVERITIES, "warning")),
        title=reader.string(spec.get("title"), "spec.title"),
        pack=reader.string(spec.get("pack"), "spec.pack"),
        category=reader.string(spec.get("category"), "spec.category"),
        default=reader.boolean(given_default, "spec.default"),
        description=reader.string(spec.get("description"), "spec.description"),
        remediation=reader.string(spec.get("remediation"), "spec.remediation"),
        references=reader.strings(spec.get("references"), "spec.references"),
        params=_params(reader, spec.get("params")),
        match=_match(reader, spec.get("match")),
        match_conditions=_named(
            reader, spec.get("matchConditions"), "spec.matchConditions", _CONDITION),
        filters=_named(reader, spec.get("filters"), "spec.filters", None),
        variables=_named(reader, spec.get("variables"), "spec.variables", IDENTIFIER),
        validations=_validations(reader, spec.get("validations")),
        failure_policy="Ignore" if reader.choice(
            spec.get("failurePolicy"), "spec.failurePolicy", ("Fail", "Ignore"), "Fail"
        ) == "Ignore" else "Fail",
        location=document.location,
        metadata=metadata_extra,
    )  # fmt: skip
    if reader.problems:
        return Loaded((), tuple(reader.problems), drafts=(policy,))
    return Loaded((policy,), ())


def expression(reader: Reader, node: SourceNode | None, what: str) -> Expression | None:
    """Return a CEL expression with its place; empty text is a problem."""
    if node is None:
        return None
    before = len(reader.problems)
    text = reader.string(node, what)
    if len(reader.problems) > before:
        return None
    if not text.strip():
        reader.problem(f"{what} is empty", node.location)
        return None
    return Expression(text, node.location)


def _named(
    reader: Reader, node: SourceNode | None, what: str, pattern: re.Pattern[str] | None
) -> tuple[NamedExpression, ...]:
    found: list[NamedExpression] = []
    names: set[str] = set()
    for number, entry in enumerate(reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = reader.fields(entry, here, ("name", "expression"), ("name", "expression"))
        name_node = fields.get("name")
        name = reader.string(name_node, f"{here}.name")
        source = expression(reader, fields.get("expression"), f"{here}.expression")
        if name_node is None or not name:
            continue
        if pattern is not None and not pattern.match(name):
            hint = "letters, digits and _" if pattern is IDENTIFIER else ""
            reader.problem(f'"{name}" cannot be the name of {here}', name_node.location, hint)
        elif name in names:
            reader.problem(f'{what} has two entries named "{name}"', name_node.location)
        elif source is not None:
            found.append(NamedExpression(name, source))
        names.add(name)
    return tuple(found)


def _params(reader: Reader, node: SourceNode | None) -> tuple[Param, ...]:
    found: list[Param] = []
    for name, entry in reader.entries(node, "spec.params"):
        here = f"spec.params.{name}"
        if not IDENTIFIER.match(name):
            reader.problem(f'"{name}" cannot be the name of a parameter', entry.location,
                           "letters, digits and _, so that params.NAME can be written")  # fmt: skip
        fields = reader.fields(
            entry, here, ("type", "default", "description", "items", "enum"), ("type",)
        )
        type_ = cast(
            ParamType, reader.choice(fields.get("type"), f"{here}.type", PARAM_TYPES, "object")
        )
        items = fields.get("items")
        if items is not None and items.kind == "mapping":
            items = reader.fields(items, f"{here}.items", ("type",), ("type",)).get("type")
        item_type = cast(
            "ParamType | None",
            reader.choice(items, f"{here}.items", PARAM_TYPES, "") or None,
        )
        if item_type and type_ != "array":
            reader.problem(f"{here}.items is for arrays only", entry.location)
            item_type = None
        enum = tuple(
            element.value for element in reader.sequence(fields.get("enum"), f"{here}.enum")
        )
        default_node = fields.get("default")
        param = Param(
            name=name,
            type=type_,
            default=reader.value(default_node),
            description=reader.string(fields.get("description"), f"{here}.description"),
            items=item_type,
            enum=enum,
        )
        if default_node is not None and "type" in fields:
            wrong = misfit(param, param.default)
            if wrong:
                reader.problem(f"{here}.default {wrong}", default_node.location)
        found.append(param)
    return tuple(found)


def _globs(
    reader: Reader, node: SourceNode | None, what: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if node is None:
        return (), ()
    fields = reader.fields(node, what, ("include", "exclude"))
    return (
        reader.strings(fields.get("include"), f"{what}.include"),
        reader.strings(fields.get("exclude"), f"{what}.exclude"),
    )


def _kinds(reader: Reader, node: SourceNode | None, what: str) -> tuple[str, ...]:
    found = []
    for text, at in reader.located_strings(node, what):
        if _GROUP.match(text) or _KIND.match(text):
            found.append(text)
        else:
            reader.problem(
                f'"{text}" is no kind', at,
                "write Kind, group/Kind, group/version/Kind, a group such as workloads, or *",
            )  # fmt: skip
    if node is not None and node.kind == "sequence" and not node.elements():
        reader.problem(f"{what} is empty, so that nothing would match", node.location)
    return tuple(found)


def _match(reader: Reader, node: SourceNode | None) -> Match:
    if node is None:
        return Match()
    fields = reader.fields(node, "spec.match", _MATCH)
    namespaces, not_namespaces = _globs(reader, fields.get("namespaces"), "spec.match.namespaces")
    names, not_names = _globs(reader, fields.get("names"), "spec.match.names")
    excluded = fields.get("excludeKinds")
    return Match(
        kinds=_kinds(reader, fields.get("kinds"), "spec.match.kinds") or ("*",),
        exclude_kinds=_kinds(reader, excluded, "spec.match.excludeKinds"),
        namespaces=namespaces,
        exclude_namespaces=not_namespaces,
        names=names,
        exclude_names=not_names,
        labels=read_selector(reader, fields.get("labels"), "spec.match.labels"),
        decoded=cast(
            Literal["", "readable", "typed"],
            reader.choice(fields.get("decoded"), "spec.match.decoded", ("readable", "typed"), ""),
        ),
    )


def read_selector(reader: Reader, node: SourceNode | None, what: str) -> dict[str, Any] | None:
    """Return a LabelSelector as plain data, checked; None without one."""
    if node is None:
        return None
    fields = reader.fields(node, what, ("matchLabels", "matchExpressions"))
    labels = {
        key: reader.string(value, f"{what}.matchLabels.{key}")
        for key, value in reader.entries(fields.get("matchLabels"), f"{what}.matchLabels")
    }
    requirements: list[dict[str, Any]] = []
    here = f"{what}.matchExpressions"
    for number, entry in enumerate(reader.sequence(fields.get("matchExpressions"), here)):
        at = f"{here}[{number}]"
        part = reader.fields(entry, at, ("key", "operator", "values"), ("key", "operator"))
        operator = reader.choice(
            part.get("operator"), f"{at}.operator", ("In", "NotIn", "Exists", "DoesNotExist"), "In"
        )
        values = list(reader.strings(part.get("values"), f"{at}.values"))
        if operator in ("In", "NotIn") and not values and "operator" in part:
            reader.problem(f"{at} needs values for {operator}", entry.location)
        if operator in ("Exists", "DoesNotExist") and values:
            reader.problem(f"{at} takes no values for {operator}", entry.location)
        requirements.append(
            {
                "key": reader.string(part.get("key"), f"{at}.key"),
                "operator": operator,
                "values": values,
            }
        )
    return {"matchLabels": labels, "matchExpressions": requirements}


def _validations(reader: Reader, node: SourceNode | None) -> tuple[Validation, ...]:
    entries = reader.sequence(node, "spec.validations")
    if node is not None and node.kind == "sequence" and not entries:
        reader.problem("spec.validations is empty, so that nothing would be checked", node.location)
    found: list[Validation] = []
    for number, entry in enumerate(entries):
        here = f"spec.validations[{number}]"
        fields = reader.fields(entry, here, _VALIDATION, ("expression",))
        test = expression(reader, fields.get("expression"), f"{here}.expression")
        validation = Validation(
            expression=test or Expression("true", entry.location),
            message=reader.string(fields.get("message"), f"{here}.message"),
            message_expression=expression(
                reader, fields.get("messageExpression"), f"{here}.messageExpression"
            ),
            for_each=_for_each(reader, fields.get("forEach"), f"{here}.forEach"),
            at=expression(reader, fields.get("at"), f"{here}.at"),
            related=expression(reader, fields.get("related"), f"{here}.related"),
            fix=_fix(reader, fields.get("fix"), f"{here}.fix"),
        )
        found.append(validation)
    return tuple(found)


def _fix(reader: Reader, node: SourceNode | None, what: str) -> tuple[FixStep, ...]:
    entries = reader.sequence(node, what)
    if node is not None and node.kind == "sequence" and not entries:
        reader.problem(f"{what} is empty, so that nothing would be mended", node.location)
    found: list[FixStep] = []
    for number, entry in enumerate(entries):
        here = f"{what}[{number}]"
        fields = reader.fields(
            entry, here, ("op", "path", "from", "value", "when", "in"), ("op", "path")
        )
        op = reader.choice(fields.get("op"), f"{here}.op", _FIX_OPS, "remove")
        step = FixStep(
            op=cast(Literal["add", "replace", "remove", "move"], op),
            path=_fix_path(reader, fields.get("path"), f"{here}.path"),
            source=_fix_path(reader, fields.get("from"), f"{here}.from"),
            value=expression(reader, fields.get("value"), f"{here}.value"),
            when=expression(reader, fields.get("when"), f"{here}.when"),
            base=expression(reader, fields.get("in"), f"{here}.in"),
        )
        found.append(step)
        if "op" not in fields:
            continue
        for name, wanted in (("value", op in ("add", "replace")), ("from", op == "move")):
            if wanted and name not in fields:
                reader.problem(f"{here} needs {name}, since its op is {op}", entry.location)
            elif not wanted and name in fields:
                reader.problem(f"{here} takes no {name}, since its op is {op}",
                               fields[name].location)  # fmt: skip
        if op == "move" and step.path.rpartition("/")[0] != step.source.rpartition("/")[0]:
            reader.problem(
                f"{here} moves to another mapping; a move gives a key another name in its mapping",
                entry.location, "use remove and add",
            )  # fmt: skip
        if step.path == "object" or (step.path == "" and op == "move"):
            reader.problem(f"{here}.path names no part of the object", entry.location)
    return tuple(found)


def _fix_path(reader: Reader, node: SourceNode | None, what: str) -> str:
    path = reader.string(node, what)
    if node is not None and not _FIX_PATH.match(path):
        reader.problem(
            f'{what} is no path: "{path}"', node.location,
            "a JSON pointer such as /readOnly, from the item that the finding is about, "
            "or object/spec/replicas, from the object",
        )  # fmt: skip
    return path


def _for_each(reader: Reader, node: SourceNode | None, what: str) -> ForEach | None:
    if node is None:
        return None
    fields = reader.fields(node, what, ("var", "in"), ("var", "in"))
    name_node = fields.get("var")
    name = reader.string(name_node, f"{what}.var")
    items = expression(reader, fields.get("in"), f"{what}.in")
    if name_node is not None and name:
        if name in TAKEN:
            reader.problem(f'{what}.var cannot be "{name}", which has a meaning of its own',
                           name_node.location, "choose another name")  # fmt: skip
        elif not IDENTIFIER.match(name):
            reader.problem(f'"{name}" cannot be the name of a variable', name_node.location,
                           "letters, digits and _")  # fmt: skip
    if not name or items is None:
        return None
    return ForEach(name, items)
