"""The encoders library: base64 and JSON.

Source: cel-go `ext/encoders.go` (version 1) and cel-spec `tests/simple/testdata/encoders_ext`.
Not in Kubernetes up to 1.37.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.limits import check_text, check_visited
from kpolicy.cel.types import BYTES, DYN, STRING
from kpolicy.cel.values import Duration, Optional, Timestamp, type_of

#: Beyond this a JSON number loses digits in many readers; protobuf writes such an int as a string.
_SAFE_INT: Final = 2**53 - 1


def encode(data: bytes) -> str:
    """Return base64 in the standard alphabet, padded."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes of base64 in the standard alphabet, padded or not; line ends are ignored."""
    from binascii import Error, a2b_base64

    compact = text.replace("\n", "").replace("\r", "")
    if "=" not in compact:
        compact += "=" * (-len(compact) % 4)
    try:
        return a2b_base64(compact.encode("ascii"), strict_mode=True)
    except (Error, UnicodeEncodeError):
        raise CelError("illegal base64 data: expected the standard alphabet") from None


def encode_json(value: Any) -> str:
    """Return a value as JSON, with bytes in base64 and times as text, as protobuf has them."""
    import json

    try:
        text = json.dumps(
            _Plain().of(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (ValueError, RecursionError) as error:
        raise CelError(f"json.encode: {error}") from None
    check_text("json.encode", len(text))
    return text


class _Plain:
    """Turns a value into what `json` writes as protobuf would; bounds what it looks at."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    def of(self, value: Any) -> Any:
        """Return the plain form of a value and all within."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            whole = value.is_integer() and abs(value) <= _SAFE_INT and str(value) != "-0.0"
            return int(value) if whole else value
        if isinstance(value, str):
            return str(value)
        if isinstance(value, int):
            return int(value) if abs(value) <= _SAFE_INT else str(value)
        if isinstance(value, bytes):
            return encode(value)
        if isinstance(value, (Timestamp, Duration)):
            return str(value)
        if isinstance(value, Optional):
            return self.of(value.value) if value.has_value else None
        if isinstance(value, (list, tuple)):
            self._count(len(value))
            return [self.of(element) for element in value]
        if isinstance(value, Mapping):
            self._count(len(value))
            if not all(isinstance(key, str) for key in value):
                raise CelError("json.encode: the keys of a map must be strings")
            return {str(key): self.of(value[key]) for key in value}
        raise CelError(f"json.encode: a {type_of(value).name} has no JSON form")

    def _count(self, elements: int) -> None:
        self._seen += elements + 1
        check_visited("json.encode", self._seen)


LIBRARY: Final = Library(
    name="cel.lib.ext.encoders",
    doc="base64 and JSON.",
    source="cel-go ext/encoders.go, version 1",
    functions=(
        Function(
            "base64.decode",
            (Overload("base64_decode_string", (STRING,), BYTES, decode, cost="size"),),
            doc="the bytes of a base64 text",
        ),
        Function(
            "base64.encode",
            (Overload("base64_encode_bytes", (BYTES,), STRING, encode, cost="size"),),
            doc="the base64 text of bytes",
        ),
        Function(
            "json.encode",
            (Overload("json_encode_dyn", (DYN,), STRING, encode_json, cost="size"),),
            doc="the JSON text of a value",
        ),
    ),
)
