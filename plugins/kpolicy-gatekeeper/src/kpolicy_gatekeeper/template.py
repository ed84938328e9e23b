"""ConstraintTemplates: the CEL of their engine K8sNativeValidation.

Source: the types of open-policy-agent/frameworks (templates.gatekeeper.sh), and the driver k8scel
of open-policy-agent/gatekeeper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kpolicy.errors import Problem
from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import NamedExpression, Validation
from kpolicy.policy.vap_reading import Lenient, named_expressions, read_validations

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation
    from kpolicy.policy.source import SourceNode

#: The name of the format whose parts templates and constraints are.
FORMAT = "gatekeeper"
#: What runs CEL.
ENGINE = "K8sNativeValidation"

_SOURCE = ("variables", "validations", "matchConditions", "failurePolicy", "generateVAP")


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be run."""

    name: str
    kind: str
    """The kind of its constraints."""
    title: str
    description: str
    schema: dict[str, Any]
    """Of the parameters."""
    variables: tuple[NamedExpression, ...]
    validations: tuple[Validation, ...]
    reasons: tuple[str, ...]
    conditions: tuple[NamedExpression, ...]
    ignores_failure: bool
    location: SourceLocation
    notes: tuple[str, ...]


def load_template(document: SourceNode) -> Loaded:
    """Return the template of a document as a part, or all that is wrong with it."""
    read = Lenient(document)
    reader = read.reader
    name = _text(document, "metadata", "name")
    kind = _text(document, "spec", "crd", "spec", "names", "kind")
    if not kind:
        reader.problem("spec.crd.spec.names.kind is missing", document.location)
    targets = _at(document, "spec", "targets")
    source = None
    engines = []
    for target in reader.sequence(targets, "spec.targets"):
        for code in reader.sequence(target.get("code"), "spec.targets[].code"):
            engine = code.get("engine") if code.kind == "mapping" else None
            engines.append(str(engine.value) if engine is not None else "")
            if engines[-1] == ENGINE and source is None:
                source = code.get("source")
        if target.get("rego") is not None:
            engines.append("Rego")
    if source is None and not reader.problems:
        said = ", ".join(dict.fromkeys(e for e in engines if e)) or "none"
        hint = "kpolicy runs CEL; Rego needs Gatekeeper itself, or Conftest"
        message = f'template "{name}" has no code for {ENGINE} (it has: {said})'
        return Loaded((), (Problem(message, document.location, hint),))
    fields = read.fields(source, "source", _SOURCE, ("validations",))
    validations, reasons = read_validations(read, fields.get("validations"))
    failure = reader.choice(
        fields.get("failurePolicy"), "source.failurePolicy", ("Fail", "Ignore"), "Fail"
    )
    schema = _at(document, "spec", "crd", "spec", "validation", "openAPIV3Schema")
    template = Template(
        name=name,
        kind=kind,
        title=_annotation(document, "metadata.gatekeeper.sh/title"),
        description=_annotation(document, "description"),
        schema=schema.value if schema is not None and schema.kind == "mapping" else {},
        variables=named_expressions(read, fields.get("variables"), "source.variables", True),
        validations=validations,
        reasons=tuple(reasons),
        conditions=named_expressions(
            read, fields.get("matchConditions"), "source.matchConditions", False
        ),
        ignores_failure=failure == "Ignore",
        location=document.location,
        notes=tuple(read.notes),
    )
    if reader.problems:
        return Loaded((), tuple(reader.problems))
    return Loaded(parts=(Part(FORMAT, {"template": template}, document.location),))


def _at(node: SourceNode | None, *path: str) -> SourceNode | None:
    for key in path:
        if node is None or node.kind != "mapping":
            return None
        node = node.get(key)
    return node


def _text(node: SourceNode, *path: str) -> str:
    found = _at(node, *path)
    return str(found.value) if found is not None and found.value else ""


def _annotation(document: SourceNode, key: str) -> str:
    found = _at(document, "metadata", "annotations")
    value = found.get(key) if found is not None and found.kind == "mapping" else None
    return " ".join(str(value.value).split()) if value is not None else ""
