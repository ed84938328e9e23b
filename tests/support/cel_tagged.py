"""The tagged form of CEL values in conformance cases, to and from Python.

TAGGED is `{"type": T, "value": V}`; see the conformance README. `untag` makes what an evaluation is
given, `tag` describes what it answered, `same` compares two tagged values, kinds included.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from kpolicy.cel.types import Type
from kpolicy.cel.values import NANOS, Duration, Optional, Timestamp, UInt

Tagged = dict[str, Any]

#: The opaque types that cases spell with a name of their own.
SHORT_NAMES = {
    "kubernetes.Quantity": "quantity",
    "kubernetes.Semver": "semver",
    "kubernetes.URL": "url",
    "net.IP": "ip",
    "net.CIDR": "cidr",
}


def untag(tagged: Tagged) -> Any:
    """Return the Python value of a tagged one."""
    kind, value = tagged["type"], tagged.get("value")
    match kind:
        case "int" | "string" | "bool" | "null":
            return value
        case "uint":
            return UInt(value)
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "list":
            return [untag(item) for item in value]
        case "map":
            return {untag(key): untag(item) for key, item in value}
        case "duration":
            return Duration(value["seconds"] * NANOS + value["nanos"])
        case "timestamp":
            return Timestamp(value["seconds"] * NANOS + value["nanos"])
        case "optional":
            return Optional.none() if value is None else Optional.of(untag(value))
        case "type":
            return Type(value)
        case _:
            raise ValueError(f"a case binds a value of type {kind!r}, which has no literal form")


def tag(value: Any, opaque: Mapping[type, Type]) -> Tagged:
    """Return the tagged form of a value that an evaluation answered."""
    match value:
        case None:
            return {"type": "null", "value": None}
        case bool():
            return {"type": "bool", "value": value}
        case UInt():
            return {"type": "uint", "value": int(value)}
        case int():
            return {"type": "int", "value": value}
        case float():
            return {"type": "double", "value": value}
        case str():
            return {"type": "string", "value": value}
        case bytes():
            return {"type": "bytes", "value": base64.b64encode(value).decode()}
        case Timestamp():
            return {"type": "timestamp", "value": {"seconds": value.seconds, "nanos": value.nanos}}
        case Duration():
            return {"type": "duration", "value": {"seconds": value.seconds, "nanos": value.nanos}}
        case Type():
            return {"type": "type", "value": value.name}
        case Optional():
            inner = tag(value.value, opaque) if value.has_value else None
            return {"type": "optional", "value": inner}
        case Mapping():
            entries = [[tag(k, opaque), tag(v, opaque)] for k, v in value.items()]
            return {"type": "map", "value": entries}
        case list() | tuple():
            return {"type": "list", "value": [tag(item, opaque) for item in value]}
    name = opaque[type(value)].name
    return {"type": SHORT_NAMES.get(name, "opaque"), "value": str(value)}


def same(left: Tagged, right: Tagged) -> bool:
    """Say whether two tagged values are the same: kinds too; NaN is itself, maps have no order."""
    if left["type"] != right["type"]:
        return False
    a, b = left.get("value"), right.get("value")
    match left["type"]:
        case "double":
            x, y = float(a), float(b)
            return (math.isnan(x) and math.isnan(y)) or x == y
        case "list":
            return len(a) == len(b) and all(map(same, a, b))
        case "map":
            rest = list(b)
            for key, item in a:
                found = next((e for e in rest if same(key, e[0]) and same(item, e[1])), None)
                if found is None:
                    return False
                rest.remove(found)
            return not rest
        case "optional":
            return (a is None and b is None) or (a is not None and b is not None and same(a, b))
    return bool(a == b)
