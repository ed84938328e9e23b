"""Typed decoding: what the API server makes of an object of a built-in kind before all else.

Go decodes JSON into structs: a field of the wrong JSON type refuses the whole object, and a `null`
in a declared field is as if the field were absent. A value of the right JSON type that its Go type
refuses (a quantity `abc`) refuses the object too, with another word. Undeclared fields are ignored.
Source: k8s.io/apimachinery/pkg/runtime/serializer/json, encoding/json, and kube-linter's reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, Literal

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.records import dataclass
from kpolicy.schemas.model import Definitions, SchemaSet
from kpolicy.schemas.values import article, describe, dotted, has_type, is_base64, is_date_time

Verdict = Literal["typed", "untyped", "wrong-type"]

#: apimachinery/pkg/api/resource: sign, digits, then a decimal or binary suffix or an exponent.
_QUANTITY = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?", re.ASCII)
_TEMPLATE = {"$ref": "io.k8s.api.core.v1.PodTemplateSpec"}
_METADATA = {"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}
_INT32 = {"type": "integer", "format": "int32"}
_INT64 = {"type": "integer", "format": "int64"}


def _mapping(**properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": properties}


def _with_spec(**spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"properties": {"metadata": _METADATA, "spec": _mapping(**spec)}}


def _with_template(**spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return _with_spec(template=_TEMPLATE, **spec)


_TARGET = _mapping(kind=_TEXT, name=_TEXT, apiVersion=_TEXT)
_IDS = _mapping(
    type=_TEXT, ranges={"type": "array", "items": _mapping(min=_INT64, max=_INT64)}
)  # fmt: skip
_RELABELINGS = {
    "type": "array",
    "items": _mapping(
        sourceLabels=_TEXTS, separator=_TEXT, targetLabel=_TEXT, regex=_TEXT, replacement=_TEXT,
        action=_TEXT,
    ),
}  # fmt: skip
_SCC_FLAGS = (
    "allowPrivilegedContainer", "allowHostDirVolumePlugin", "allowHostNetwork", "allowHostPorts",
    "allowHostPID", "allowHostIPC", "defaultAllowPrivilegeEscalation", "allowPrivilegeEscalation",
    "readOnlyRootFilesystem",
)  # fmt: skip
_SCC_LISTS = (
    "defaultAddCapabilities", "requiredDropCapabilities", "allowedCapabilities", "volumes", "users",
    "groups", "seccompProfiles", "allowedUnsafeSysctls", "forbiddenSysctls",
)  # fmt: skip
#: Other kinds that policies read, as much of them as these read and a little more.
#: Source: the Go types of OpenShift, the Prometheus operator, KEDA and old Kubernetes APIs.
_OTHER_KINDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    **{
        (f"autoscaling/{version}", "HorizontalPodAutoscaler"): _with_spec(
            scaleTargetRef=_TARGET,
            minReplicas=_INT32,
            maxReplicas=_INT32,
            metrics={"type": "array", "items": _mapping(type=_TEXT)},
        )
        for version in ("v2beta1", "v2beta2")
    },
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _with_spec(
        jobLabel=_TEXT,
        targetLabels=_TEXTS,
        podTargetLabels=_TEXTS,
        selector={"$ref": "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"},
        namespaceSelector=_mapping(any=_FLAG, matchNames=_TEXTS),
        endpoints={
            "type": "array",
            "items": _mapping(
                port=_TEXT, path=_TEXT, scheme=_TEXT, honorLabels=_FLAG, interval=_TEXT,
                scrapeTimeout=_TEXT, bearerTokenFile=_TEXT, relabelings=_RELABELINGS,
                metricRelabelings=_RELABELINGS, tlsConfig=_mapping(insecureSkipVerify=_FLAG),
            ),
        },
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _with_spec(
        scaleTargetRef=_TARGET,
        pollingInterval=_INT32,
        cooldownPeriod=_INT32,
        idleReplicaCount=_INT32,
        minReplicaCount=_INT32,
        maxReplicaCount=_INT32,
        triggers={
            "type": "array",
            "items": _mapping(
                type=_TEXT, name=_TEXT, metadata={"type": "object", "additionalProperties": _TEXT}
            ),
        },
    ),
    ("security.openshift.io/v1", "SecurityContextConstraints"): {
        "properties": {
            "metadata": _METADATA,
            "priority": _INT32,
            **dict.fromkeys(_SCC_FLAGS, _FLAG),
            **dict.fromkeys(_SCC_LISTS, _TEXTS),
            "seLinuxContext": _mapping(type=_TEXT),
            "runAsUser": _mapping(
                type=_TEXT, uid=_INT64, uidRangeMin=_INT64, uidRangeMax=_INT64
            ),
            "supplementalGroups": _IDS,
            "fsGroup": _IDS,
        }
    },
}  # fmt: skip


_JOB_TEMPLATE = {
    "properties": {"metadata": _METADATA, "spec": {"properties": {"template": _TEMPLATE}}}
}

#: Workloads that the schemas do not cover, custom ones and versions that are gone: as much of them
#: as their pod template.
_OTHER_WORKLOADS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("apps.openshift.io/v1", "DeploymentConfig"): _with_template(
        replicas={"type": "integer", "format": "int32"},
        selector={"type": "object", "additionalProperties": {"type": "string"}},
        strategy={"type": "object", "properties": {"type": {"type": "string"}}},
        triggers={"type": "array", "items": {"type": "object"}},
        minReadySeconds={"type": "integer", "format": "int32"},
        revisionHistoryLimit={"type": "integer", "format": "int32"},
        test={"type": "boolean"},
        paused={"type": "boolean"},
    ),
    ("argoproj.io/v1alpha1", "Rollout"): _with_template(
        replicas={"type": "integer", "format": "int32"}
    ),
    ("serving.knative.dev/v1", "Service"): _with_template(),
    ("serving.knative.dev/v1", "Configuration"): _with_template(),
    ("apps.kruise.io/v1alpha1", "CloneSet"): _with_template(),
    ("apps.kruise.io/v1alpha1", "DaemonSet"): _with_template(),
    ("apps.kruise.io/v1alpha1", "StatefulSet"): _with_template(),
    ("apps.kruise.io/v1beta1", "StatefulSet"): _with_template(),
    **{
        (version, kind): _with_template(replicas={"type": "integer", "format": "int32"})
        for version, kinds in (
            ("extensions/v1beta1", ("Deployment", "DaemonSet", "ReplicaSet")),
            ("apps/v1beta1", ("Deployment", "StatefulSet")),
            ("apps/v1beta2", ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")),
        )
        for kind in kinds
    },
    ("batch/v1beta1", "CronJob"): {
        "properties": {
            "metadata": _METADATA,
            "spec": {"properties": {"jobTemplate": _JOB_TEMPLATE}},
        }
    },
    ("keda.sh/v1alpha1", "ScaledJob"): {
        "properties": {
            "metadata": _METADATA,
            "spec": {"properties": {"jobTargetRef": {"properties": {"template": _TEMPLATE}}}},
        }
    },
}

#: Groups whose versions are all known here.
_WORKLOAD_GROUPS = ("", "apps", "batch")

_SUFFIX_FORMATS = ("byte", "date-time")


@dataclass(frozen=True, slots=True)
class WrongType:
    """A field of the wrong JSON type: where it is, what was expected and what stands there."""

    pointer: str
    expected: str
    found: str

    @property
    def message(self) -> str:
        """One line for a finding."""
        path = dotted(self.pointer)
        return (
            f"{path}: expected {self.expected}, found {self.found}; Kubernetes refuses the object"
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding says of one object.

    `body` is the same object unless a `null` had to go. `wrong` is the first field of the wrong
    type, in the order of the manifest, as Go names one only.
    """

    body: FrozenDict
    verdict: Verdict = "typed"
    wrong: WrongType | None = None


@dataclass(slots=True, eq=False)
class _Shape:
    """What a value must be, compiled from a schema.

    `exact` is the Python type that needs no second look.
    """

    kind: str
    format: str = ""
    exact: type | None = None
    fields: dict[str, _Shape] = field(default_factory=dict)
    rest: _Shape | None = None
    """Of the values of a map, or of a list's items."""


class Decoder:
    """Decodes objects of the kinds in one schema set; compiles a kind's shape when first met."""

    def __init__(self, schemas: SchemaSet) -> None:
        self._schemas = schemas
        self._named: dict[str, _Shape] = {}
        self._kinds: dict[tuple[str, str], _Shape | None] = {}
        self._current = frozenset(
            (group, kind) for group, _, kind in schemas.kinds if group in _WORKLOAD_GROUPS
        )

    def decode(self, body: FrozenDict) -> Decoded:
        """Return what the API server makes of `body`; an unknown kind is left as it is."""
        api_version, kind = body.get("apiVersion"), body.get("kind")
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return Decoded(body)
        key = (api_version, kind)
        if key in self._kinds:
            shape = self._kinds[key]
        else:
            shape = self._kinds[key] = self._kind_shape(api_version, kind)
        if shape is None:
            return Decoded(body, self._foreign(api_version, kind))
        if _is_clean(body, shape):
            return Decoded(body)
        verdict, wrong = _judged(_complaints(body, shape, ""))
        if verdict == "wrong-type":
            return Decoded(body, verdict, wrong)
        return Decoded(_without_nulls(body, shape), verdict, wrong)

    def _foreign(self, api_version: str, kind: str) -> Verdict:
        """Return what an object of an unknown kind is; of a version that never was, untyped."""
        group, _, _ = api_version.rpartition("/")
        return "untyped" if (group, kind) in self._current else "typed"

    def _kind_shape(self, api_version: str, kind: str) -> _Shape | None:
        group, _, version = api_version.rpartition("/")
        schema = self._schemas.schema_for(group, version, kind)
        if schema is not None:
            return self._shape(schema.data, schema.definitions)
        key = (api_version, kind)
        other = _OTHER_WORKLOADS.get(key) or _OTHER_KINDS.get(key)
        return None if other is None else self._shape(other, self._schemas.definitions)

    def _shape(self, data: Mapping[str, Any], definitions: Definitions) -> _Shape:
        reference = data.get("$ref")
        if reference is not None:
            known = self._named.get(reference)
            if known is None:
                # Entered before it is filled: definitions may contain themselves.
                known = self._named[reference] = _Shape("any")
                self._fill(known, definitions.get(reference, {}), definitions)
            return known
        shape = _Shape("any")
        self._fill(shape, data, definitions)
        return shape

    def _fill(self, shape: _Shape, data: Mapping[str, Any], definitions: Definitions) -> None:
        kind = data.get("type") or ("object" if "properties" in data else "any")
        shape.kind = kind
        shape.format = data.get("format", "") if kind == "string" else ""
        if kind == "string" and shape.format not in _SUFFIX_FORMATS:
            shape.exact = str
        elif kind == "boolean":
            shape.exact = bool
        elif kind == "integer" and data.get("format") != "int32":
            shape.exact = int
        elif kind == "integer":
            shape.format = "int32"
        for name, inner in data.get("properties", {}).items():
            shape.fields[name] = self._shape(inner, definitions)
        rest = data.get("items") if kind == "array" else data.get("additionalProperties")
        if isinstance(rest, Mapping):
            shape.rest = self._shape(rest, definitions)


def _is_clean(value: dict[str, Any], shape: _Shape) -> bool:
    """Return whether nothing in `value` needs a second look: true of every good manifest."""
    fields, rest = shape.fields, shape.rest
    for key, item in value.items():
        inner = fields.get(key, rest)
        if inner is None:
            continue
        if type(item) is inner.exact:
            continue
        if type(item) is FrozenDict:
            if inner.kind == "any" or (inner.kind == "object" and _is_clean(item, inner)):
                continue
            return False
        if type(item) is FrozenList:
            if inner.kind == "any" or (inner.kind == "array" and _is_clean_list(item, inner.rest)):
                continue
            return False
        if item is None or not _fits(item, inner):
            return False
    return True


def _is_clean_list(items: list[Any], shape: _Shape | None) -> bool:
    if shape is None:
        return True
    exact = shape.exact
    for item in items:
        if type(item) is exact:
            continue
        if type(item) is FrozenDict:
            if shape.kind == "any" or (shape.kind == "object" and _is_clean(item, shape)):
                continue
            return False
        if type(item) is FrozenList:
            if shape.kind == "any" or (shape.kind == "array" and _is_clean_list(item, shape.rest)):
                continue
            return False
        if (item is None and shape.kind != "any") or not _fits(item, shape):
            return False
    return True


def _fits(value: Any, shape: _Shape) -> bool:
    """Return whether a scalar is of the type, and of the form, that `shape` asks for."""
    return value is None or (has_type(value, shape.kind) and _has_form(value, shape))


def _has_form(value: Any, shape: _Shape) -> bool:
    kind = shape.kind
    if kind == "quantity" and isinstance(value, str):
        return _QUANTITY.fullmatch(value.strip()) is not None
    if kind == "integer" or (kind == "int-or-string" and isinstance(value, int)):
        bits = 31 if shape.format == "int32" or kind == "int-or-string" else 63
        return bool(-(1 << bits) <= value < 1 << bits)
    if shape.format == "byte":
        return is_base64(value)
    if shape.format == "date-time":
        return is_date_time(value)
    return True


@dataclass(frozen=True, slots=True)
class _Complaint:
    """Something wrong. One that `aborts` ends Go's decoding: a type that reads its JSON itself."""

    aborts: bool = False
    wrong: WrongType | None = None
    """None = of the right JSON type."""
    refuses: Verdict = "wrong-type"
    """What the object is where this complaint decides."""
    path: tuple[tuple[int, str], ...] = ()
    """Where it is, in the order in which Go reads: keys are sorted on the way from YAML to JSON."""


def _judged(complaints: Iterator[_Complaint]) -> tuple[Verdict, WrongType | None]:
    """Return what an object with these complaints is, and its first field of a wrong type.

    Go notes the first field of a wrong type and reads on; an error of a type that reads its own
    JSON ends it and is the one that is told.
    """
    found = list(complaints)
    if not found:
        return "typed", None
    told = min(found, key=lambda complaint: (not complaint.aborts, complaint.path))
    return told.refuses, next((c.wrong for c in found if c.wrong), None)


def _complaints(
    value: Any, shape: _Shape, pointer: str, path: tuple[tuple[int, str], ...] = ()
) -> Iterator[_Complaint]:
    """Yield what is wrong in `value`, in the order of the manifest."""
    if value is None or shape.kind == "any":
        return
    if not has_type(value, shape.kind):
        wrong = WrongType(pointer, article(shape.kind), describe(value))
        if shape.kind == "quantity":
            yield _Complaint(True, wrong, "untyped", path)
        else:
            aborts = shape.kind == "int-or-string" or shape.format == "date-time"
            yield _Complaint(aborts, wrong, path=path)
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = shape.fields.get(key, shape.rest)
            if inner is not None:
                token = key.replace("~", "~0").replace("/", "~1")
                yield from _complaints(item, inner, f"{pointer}/{token}", (*path, (0, key)))
    elif isinstance(value, list):
        if shape.rest is not None:
            for index, item in enumerate(value):
                yield from _complaints(item, shape.rest, f"{pointer}/{index}", (*path, (index, "")))
    elif not _has_form(value, shape):
        if isinstance(value, int):
            expected = f"an integer of {64 if shape.format != 'int32' else 32} bits"
            if shape.kind == "int-or-string":
                expected = "an integer of 32 bits"
            wrong = WrongType(pointer, expected, describe(value))
            yield _Complaint(shape.kind == "int-or-string", wrong, path=path)
        else:
            aborts = shape.kind == "quantity" or shape.format == "date-time"
            yield _Complaint(aborts, None, "untyped", path)


def _without_nulls(value: Any, shape: _Shape | None) -> Any:
    """Return `value` without its declared fields that are null; parts without any stay the same."""
    if shape is None:
        return value
    if isinstance(value, FrozenDict):
        kept = {
            key: _without_nulls(item, shape.fields.get(key, shape.rest))
            for key, item in value.items()
            if item is not None or key not in shape.fields
        }
        same = len(kept) == len(value) and all(kept[k] is v for k, v in value.items())
        return value if same else FrozenDict(kept, value.mark)
    if isinstance(value, FrozenList):
        items = [
            _zero(shape.rest, value.mark) if item is None else _without_nulls(item, shape.rest)
            for item in value
        ]
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else FrozenList(items, value.mark)
    return value


def _zero(shape: _Shape | None, mark: int) -> Any:
    """Return what Go makes of a `null` among the items of a list: the zero value of their type."""
    if shape is None or shape.kind == "any":
        return None
    if shape.kind == "object":
        return FrozenDict({}, mark)
    if shape.kind == "array":
        return FrozenList([], mark)
    return {"boolean": False, "integer": 0, "number": 0, "int-or-string": 0}.get(shape.kind, "")


@lru_cache(maxsize=1)
def default_decoder() -> Decoder:
    """Return the decoder of the newest bundled Kubernetes release."""
    from kpolicy.schemas.bundle import load

    return Decoder(load())
