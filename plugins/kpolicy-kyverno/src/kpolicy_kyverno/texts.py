"""Kyverno's functions on texts, lists and times: hashes, JSON, YAML, maps from lists, the clock.

Source: extensions/cel/libs (hash, json, yaml, transform, math, time) of kyverno/sdk.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kpolicy.cel import STRING, Duration, Function, Overload, Timestamp
from kpolicy.cel.errors import CelError
from kpolicy.cel.times import civil
from kpolicy.cel.types import DOUBLE, DURATION, DYN, INT, TIMESTAMP, list_of, map_of
from kpolicy.frozen import freeze, thaw

_NANOS = 1_000_000_000
_DAY = 86_400
#: From Go's zero time, which `Truncate` counts from, to 1970.
_BEFORE_1970 = 62_135_596_800 * _NANOS


def _hashed(name: str, function: str) -> Function:
    def digest(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    id_ = "kyverno_" + function.replace(".", "_")
    return Function(
        function,
        (Overload(id_, (STRING,), STRING, digest, cost="size"),),
        f"The {name} digest of a text, in hexadecimal.",
    )


def _unmarshal(text: str) -> Any:
    try:
        return freeze(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise CelError(f"no JSON: {error}") from None


def _marshal(value: Any) -> str:
    """Return JSON as Go writes it: keys in order, no blanks."""
    try:
        text = json.dumps(
            thaw(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise CelError(f"no JSON can be made of it: {error}") from None
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _parse_yaml(text: str) -> Any:
    from kpolicy.policy.source import compose

    nodes, problems = compose("yaml.parse", text)
    if problems:
        raise CelError(f"no YAML: {problems[0].message}")
    return freeze(nodes[0].value) if nodes else None


def _map_of_lists(
    keys: Sequence[Any], values: Sequence[Any], key_name: str, value_name: str
) -> Mapping[str, Any]:
    if len(keys) != len(values):
        raise CelError(
            "listObjToMap must take lists of equal length. "
            f"list1: {len(keys)}, list2: {len(values)}"
        )
    found = {}
    for key, value in zip(keys, values, strict=True):
        if not (isinstance(key, Mapping) and isinstance(value, Mapping)):
            raise CelError("listObjToMap takes lists of objects")
        name = key.get(key_name)
        if not isinstance(name, str):
            raise CelError("the passed key name cannot be handled as a string")
        found[name] = value.get(value_name)
    made: Mapping[str, Any] = freeze(found)
    return made


def _round(value: float, digits: int) -> float:
    """Round half away from zero, as Go does."""
    try:
        shifted = value * 10.0**digits
        return math.copysign(math.floor(abs(shifted) + 0.5), shifted) / 10.0**digits
    except (OverflowError, ValueError, ZeroDivisionError):
        return value


def _now(_context: Any) -> Timestamp:
    return Timestamp(time.time_ns())


def _to_cron(at: Timestamp) -> str:
    days, seconds = divmod(at.seconds, _DAY)
    _, month, day = civil(days)
    # 1970-01-01 was a Thursday, 4 in cron.
    return f"{seconds // 60 % 60} {seconds // 3600} {day} {month} {(days + 4) % 7}"


def _truncated(at: Timestamp, step: Duration) -> Timestamp:
    if step.nanoseconds <= 0:
        return at
    since = at.nanoseconds + _BEFORE_1970
    return Timestamp(at.nanoseconds - since % step.nanoseconds)


def functions() -> tuple[Function, ...]:
    """Return the functions."""
    maps = (list_of(DYN), list_of(DYN), STRING, STRING)
    return (
        *(_hashed(name, f"hash.{name}") for name in ("md5", "sha1", "sha256")),
        *(_hashed(name, name) for name in ("md5", "sha1", "sha256")),
        Function(
            "json.unmarshal",
            (Overload("kyverno_json_unmarshal", (STRING,), DYN, _unmarshal, cost="size"),),
            "The value of a JSON text.",
        ),
        Function(
            "json.marshal",
            (Overload("kyverno_json_marshal", (DYN,), STRING, _marshal, cost="size"),),
            "A value as JSON.",
        ),
        Function(
            "yaml.parse",
            (Overload("kyverno_yaml_parse", (STRING,), DYN, _parse_yaml, cost="size"),),
            "The value of a YAML text.",
        ),
        *(
            Function(
                name,
                (
                    Overload(
                        "kyverno_" + name.replace(".", "_"), maps, map_of(STRING, DYN),
                        _map_of_lists, cost="size",
                    ),
                ),
                "A map from a field of the first list's objects to a field of the second list's.",
            )
            for name in ("listObjToMap", "transform.listObjToMap")
        ),
        Function(
            "math.round",
            (Overload("kyverno_math_round", (DOUBLE, INT), DOUBLE, _round),),
            "A number rounded to so many digits.",
        ),
        Function(
            "time.now",
            # A function with a context is evaluated each time.
            (Overload("kyverno_time_now", (), TIMESTAMP, _now, needs_context=True),),
            "The time of the scan.",
        ),
        Function(
            "time.toCron",
            (Overload("kyverno_time_to_cron", (TIMESTAMP,), STRING, _to_cron),),
            "A point in time as a cron line: minute, hour, day, month, day of the week.",
        ),
        Function(
            "time.truncate",
            (Overload("kyverno_time_truncate", (TIMESTAMP, DURATION), TIMESTAMP, _truncated),),
            "A point in time rounded down to a multiple of a duration.",
        ),
    )  # fmt: skip
