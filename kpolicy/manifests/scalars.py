"""What a YAML scalar means to Kubernetes.

kubectl and the API server read YAML with sigs.k8s.io/yaml: go-yaml v2 resolves the scalar, and the
result goes through JSON. So the rules here are YAML 1.1's as go-yaml v2 knows them (`yes` and `on`
are booleans, `0777` is octal), without timestamps and sexagesimal numbers, and with JSON's view of
numbers: a float with an integral value becomes an integer, `.inf` and `.nan` do not exist, and a
number that needs more than 64 bits is a float, as in an unstructured Kubernetes object.
"""

from __future__ import annotations

import re
import struct

__all__ = ["ScalarError", "key_text", "resolve_plain", "resolve_tagged"]

Scalar = bool | int | float | str | None

_TAG_PREFIX = "tag:yaml.org,2002:"

_INT64_MIN = -(1 << 63)
_INT64_MAX = (1 << 63) - 1
_UINT64_MAX = (1 << 64) - 1

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_A_NUMBER = frozenset((".nan", ".NaN", ".NAN"))
_INFINITE = frozenset(sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF"))

#: Only a scalar that begins with one of these can be anything but a string.
SPECIAL_START = frozenset("yYnNtTfFoO~+-.0123456789")

# Patterns are text here: `re` compiles each when it is first used, which for most is never.
_PREFIXED_INT = r"([-+]?)0(?:[xX]([0-9a-fA-F]+)|[bB]([01]+)|[oO]?([0-7]+))"
#: go-yaml retries what follows `0b` as a signed binary number of its own.
_SIGNED_BINARY = r"0b([-+]?[01]+)"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
#: Without a sign or digit in front, Go parses the text itself and lets `_` separate digits.
_DOT_FLOAT = r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?"
_TIMESTAMP = (
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?)?"
)

_BASE64_BREAKS = str.maketrans("", "", "\r\n")


class ScalarError(ValueError):
    """A scalar that Kubernetes refuses; the text says why and what to write instead."""


class _Uint(int):
    """An integer between 2^63 and 2^64: JSON writes it, but it is no key in Kubernetes' view."""


def _number(text: str) -> int | float | None:
    """Return the number that `text`, which begins with a sign or digit, stands for; else None."""
    plain = text.replace("_", "")
    digits = plain[1:] if plain[0] in "+-" else plain
    if digits.isascii() and digits.isdecimal() and (digits[0] != "0" or digits == "0"):
        value = int(plain) if len(plain) < 40 else None
    elif match := re.fullmatch(_PREFIXED_INT, plain):
        sign, hexadecimal, binary, octal = match.groups()
        if hexadecimal:
            value = int(hexadecimal, 16)
        elif binary:
            value = int(binary, 2)
        else:
            value = int(octal, 8)
        if sign == "-":
            value = -value
    elif match := re.fullmatch(_SIGNED_BINARY, plain):
        value = int(match[1], 2)
    else:
        value = None
    if value is not None:
        if _INT64_MIN <= value <= _INT64_MAX:
            return value
        if value <= _UINT64_MAX and value > 0 and plain[0] != "+":
            return _Uint(value)
    if re.fullmatch(_FLOAT, plain):
        number = float(plain)
        # Out of range is no number to Go, so the text stays a string.
        return None if number in (_INF, -_INF) else number
    return None


_INF = float("inf")


def _resolve(text: str) -> Scalar:
    """Return go-yaml v2's value of an untagged plain scalar, before JSON (floats stay floats)."""
    if not text:
        return None
    first = text[0]
    if first not in SPECIAL_START:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if first in "yYnNtTfFoO~":
        return text
    if first == ".":
        if text in _INFINITE or text in _NOT_A_NUMBER:
            return _INF
        if re.fullmatch(_DOT_FLOAT, text):
            number = float(text)
            return text if number == _INF else number
        return text
    if text in _INFINITE:
        return _INF
    number_or_none = _number(text)
    return text if number_or_none is None else number_or_none


def _through_json(value: Scalar, text: str) -> Scalar:
    """Return what is left of `value` once Go has written it as JSON and Kubernetes read that."""
    if value.__class__ is float:
        assert isinstance(value, float)
        if value - value != 0.0:
            raise ScalarError(
                f"{text} is no number in JSON, so Kubernetes refuses it; quote it if it is a string"
            )
        if value.is_integer():
            return _integral(value)
    elif value.__class__ is _Uint:
        assert isinstance(value, int)
        return float(value)
    return value


def _integral(value: float) -> int | float:
    """Return an integral float as the integer of its shortest decimal form, if 64 bits hold it."""
    if abs(value) < 2.0**53:
        return int(value)
    if abs(value) >= 1e21:
        return value
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent or 0)
    digits = whole + fraction.rstrip("0")
    integer = int(digits) * 10 ** (shift - len(fraction.rstrip("0")))
    return integer if _INT64_MIN <= integer <= _INT64_MAX else value


#: Manifests repeat their scalars; the bound keeps a hostile file from growing it.
_MEMO_SIZE = 8192
_MEMO_TEXT = 64
_memo: dict[str, Scalar] = {}


def resolve_plain(text: str) -> Scalar:
    """Return the value of an untagged plain scalar.

    Raises `ScalarError` for `.inf` and `.nan`, which JSON cannot write.
    """
    if text and text[0] not in SPECIAL_START:
        return text
    try:
        return _memo[text]
    except KeyError:
        value = _through_json(_resolve(text), text)
        if len(text) <= _MEMO_TEXT:
            if len(_memo) >= _MEMO_SIZE:
                _memo.clear()
            _memo[text] = value
        return value


def _resolve_tagged(tag: str, text: str) -> Scalar:
    """Return go-yaml v2's value of a scalar with an explicit tag, before JSON."""
    short = tag[len(_TAG_PREFIX) :] if tag.startswith(_TAG_PREFIX) else None
    if short == "str":
        return text
    if short == "binary":
        return _binary(text)
    if short not in ("bool", "int", "float", "null", "timestamp"):
        return text
    value = _resolve(text)
    kind = value.__class__
    if short == "null" and value is None:
        return None
    if short == "bool" and kind is bool:
        return value
    if short == "int" and kind in (int, _Uint):
        return value
    if short == "float" and kind is float:
        return value
    if short == "float" and kind is int:
        assert isinstance(value, int)
        return float(value)
    if short == "timestamp" and _is_timestamp(text):
        return text
    raise ScalarError(f"cannot read `{text}` as !!{short}; correct the value or remove the tag")


def _is_timestamp(text: str) -> bool:
    from datetime import datetime

    match = re.fullmatch(_TIMESTAMP, text)
    if not match:
        return False
    try:
        datetime(*[int(part) for part in match.groups() if part is not None])  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def resolve_tagged(tag: str, text: str) -> Scalar:
    """Return the value of a scalar with an explicit tag (in its long form, as libyaml gives it).

    Raises `ScalarError` where go-yaml does: a value that its tag does not fit, bad base64.
    """
    return _through_json(_resolve_tagged(tag, text), text)


def _binary(text: str) -> str:
    from base64 import b64decode

    try:
        raw = b64decode(text.translate(_BASE64_BREAKS), validate=True)
    except ValueError as error:
        raise ScalarError(f"!!binary value is not valid base64 ({error})") from None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _decode_as_go(raw)


def _decode_as_go(raw: bytes) -> str:
    """Decode UTF-8 with one U+FFFD for each byte that does not fit, as encoding/json writes it."""
    out: list[str] = []
    while raw:
        try:
            out.append(raw.decode())
            break
        except UnicodeDecodeError as error:
            out.append(raw[: error.start].decode())
            out.append("�")
            raw = raw[error.start + 1 :]
    return "".join(out)


def key_text(text: str, tag: str | None = None, plain: bool = True) -> str:
    """Return the string that a key becomes in Kubernetes' JSON (`y:` is "true", `1:` is "1").

    `tag` is the explicit tag, if any; `plain` says that an untagged scalar is unquoted. Raises
    `ScalarError` for a null key and for one that its tag does not fit.
    """
    value: Scalar
    if tag:
        value = _resolve_tagged(tag, text)
        if value.__class__ is str and tag == _TAG_PREFIX + "timestamp":
            return text
    elif plain:
        value = _resolve(text)
    else:
        return text
    if isinstance(value, str):
        return value
    if value is None:
        raise ScalarError("a null key is not a string; give the key a name")
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value.__class__ is _Uint:
        raise ScalarError(f"key {text} needs more than 63 bits; quote it to make it a string")
    if isinstance(value, int):
        return str(value)
    return _float_key(value, text)


def _float_key(value: float, text: str) -> str:
    """Write a float key as Go's `FormatFloat(value, 'g', -1, 32)` does."""
    if value != value or text in _NOT_A_NUMBER:
        return ".nan"
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = _INF if value > 0 else -_INF
    if text[0] == "-" and single == _INF:
        single = -_INF
    if single in (_INF, -_INF):
        return ".inf" if single > 0 else "-.inf"
    if single == 0:
        return "-0" if text[0] == "-" else "0"
    for precision in range(9):
        shortest = f"{single:.{precision}e}"
        if struct.pack("f", float(shortest)) == struct.pack("f", single):
            break
    mantissa, _, exponent = shortest.partition("e")
    power = int(exponent)
    sign = "-" if mantissa[0] == "-" else ""
    digits = mantissa.lstrip("-").replace(".", "")
    # Go's 'g' with the shortest precision writes an exponent below 1e-4 and from 1e6 on.
    if power < -4 or power >= 6:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    if len(digits) <= power + 1:
        return sign + digits + "0" * (power + 1 - len(digits))
    return f"{sign}{digits[: power + 1]}.{digits[power + 1 :]}"
