"""The format library: named formats of Kubernetes' API, such as DNS labels, and their complaints.

Source: `k8s.io/apiserver/pkg/cel/library/format.go` (Kubernetes 1.31). The rules and the texts of
the complaints are those of `k8s.io/apimachinery/pkg/api/validation` and
`k8s.io/kube-openapi/pkg/validation/strfmt`, as policies show them to users beside the API
server's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import STRING, Type, list_of, optional_of
from kpolicy.cel.values import Optional

FORMAT_TYPE: Final = Type("kubernetes.NamedFormat")

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_NAME})?"

_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character"
)
_LABEL_1035_RULE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_NAME_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character"
)


class NamedFormat:
    """A format: its `name` and what it says about a text (nothing when the text is right)."""

    __slots__ = ("complaints", "name")
    cel_type: ClassVar[Type] = FORMAT_TYPE
    name: str
    complaints: Callable[[str], list[str]]

    def __init__(self, name: str, complaints: Callable[[str], list[str]]) -> None:
        self.name = name
        self.complaints = complaints

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamedFormat):
            return NotImplemented
        return self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"NamedFormat({self.name!r})"


def _rule(rule: str, pattern: str, *examples: str) -> str:
    """Return a complaint with its examples and pattern, spaced as Kubernetes does."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"


def _too_long(text: str, limit: int, unit: str) -> list[str]:
    """Return the complaint about more than `limit` bytes; `unit` is what Kubernetes calls them."""
    long = len(text.encode("utf-8", "replace")) > limit
    return [f"must be no more than {limit} {unit}"] if long else []


def _fits(pattern: str, text: str) -> bool:
    # Linear in Python's backtracking engine too: only the end of a run can be matched in two ways.
    return re.fullmatch(pattern, text) is not None


def _unprefixed(text: str) -> str:
    """Return a prefix that ends in '-' as a name that something was appended to."""
    return text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text


def _label(text: str) -> list[str]:
    found = _too_long(text, 63, "characters")
    if not _fits(_LABEL, text):
        if _fits(_SUBDOMAIN, text):
            found.append("must not contain dots")
        else:
            found.append(_rule(_LABEL_RULE, _LABEL, "my-name", "123-abc"))
    return found


def _subdomain(text: str, unit: str = "characters") -> list[str]:
    found = _too_long(text, 253, unit)
    if not _fits(_SUBDOMAIN, text):
        found.append(_rule(_SUBDOMAIN_RULE, _SUBDOMAIN, "example.com"))
    return found


def _label_1035(text: str) -> list[str]:
    found = _too_long(text, 63, "characters")
    if not _fits(_LABEL_1035, text):
        found.append(_rule(_LABEL_1035_RULE, _LABEL_1035, "my-name", "abc-123"))
    return found


def _qualified_name(text: str) -> list[str]:
    parts = text.split("/")
    found: list[str] = []
    rule = _rule(_NAME_RULE, _NAME, "MyName", "my.name", "123-abc")
    if len(parts) > 2:
        return [
            f"a valid label key {rule} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    name = parts[-1]
    if len(parts) == 2:
        if parts[0]:
            found += [f"prefix part {complaint}" for complaint in _subdomain(parts[0], "bytes")]
        else:
            found.append("prefix part must be non-empty")
    if not name:
        found.append("name part must be non-empty")
    else:
        found += [f"name part {complaint}" for complaint in _too_long(name, 63, "bytes")]
    if not _fits(_NAME, name):
        found.append(f"name part {rule}")
    return found


def _label_value(text: str) -> list[str]:
    found = _too_long(text, 63, "bytes")
    if not _fits(_VALUE, text):
        found.append(_rule(_VALUE_RULE, _VALUE, "MyValue", "my_value", "12345"))
    return found


def _uri(text: str) -> list[str]:
    from kpolicy.cel.library.url import request_problem

    problem = request_problem(text)
    return [problem] if problem else []


def _uuid(text: str) -> list[str]:
    digits = "[0-9a-fA-F]"
    pattern = f"{digits}{{8}}-?({digits}{{4}}-?){{3}}{digits}{{12}}"
    return [] if re.fullmatch(pattern, text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    block = "[A-Za-z0-9+/]"
    pattern = f"({block}{{4}})*({block}{{2}}==|{block}{{3}}=|{block}{{4}})"
    return [] if re.fullmatch(pattern, text) else ["invalid base64"]


def _is_date(text: str) -> bool:
    match = re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    if match is None:
        return False
    year, month, day = map(int, match.groups())
    if not 1 <= month <= 12:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = 29 if month == 2 and leap else 28 if month == 2 else 30 + (month + month // 8) % 2
    return 1 <= day <= days


def _date(text: str) -> list[str]:
    return [] if _is_date(text) else ["invalid date"]


def _datetime(text: str) -> list[str]:
    parts = text.lower().split("t")
    time = "([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})"
    if len(parts) > 1 and _is_date(parts[0]):
        # Only what stands between the first two t counts, as in strfmt.
        match = re.fullmatch(time, parts[1])
        if match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59":
            return []
    return ["invalid datetime"]


def _prefix_of(complaints: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    return lambda text: complaints(_unprefixed(text))


#: By the name of the function `format.<name>()` and of `format.named(<name>)`.
FORMATS: Final = {
    "dns1123Label": NamedFormat("DNS1123Label", _label),
    "dns1123Subdomain": NamedFormat("DNS1123Subdomain", _subdomain),
    "dns1035Label": NamedFormat("DNS1035Label", _label_1035),
    "qualifiedName": NamedFormat("QualifiedName", _qualified_name),
    "dns1123LabelPrefix": NamedFormat("DNS1123LabelPrefix", _prefix_of(_label)),
    "dns1123SubdomainPrefix": NamedFormat("DNS1123SubdomainPrefix", _prefix_of(_subdomain)),
    "dns1035LabelPrefix": NamedFormat("DNS1035LabelPrefix", _prefix_of(_label_1035)),
    "labelValue": NamedFormat("LabelValue", _label_value),
    "uri": NamedFormat("URI", _uri),
    "uuid": NamedFormat("uuid", _uuid),
    "byte": NamedFormat("byte", _byte),
    "date": NamedFormat("date", _date),
    "datetime": NamedFormat("datetime", _datetime),
}


def named(name: str) -> Optional:
    """Return the format of that name as an optional."""
    found = FORMATS.get(name)
    return Optional.of(found) if found is not None else Optional.none()


def validate(named_format: NamedFormat, text: str) -> Optional:
    """Return an optional with the complaints about `text`; none when there are none."""
    complaints = named_format.complaints(text)
    return Optional.of(complaints) if complaints else Optional.none()


def _constant(name: str, value: NamedFormat) -> Function:
    overload = Overload(f"format.{name}", (), FORMAT_TYPE, lambda: value)
    return Function(f"format.{name}", (overload,), doc=f"the format {value.name}")


LIBRARY: Final = Library(
    name="kubernetes.format",
    doc="Named formats and their complaints.",
    source="k8s.io/apiserver/pkg/cel/library/format.go",
    opaque={NamedFormat: FORMAT_TYPE},
    functions=(
        Function(
            "format.named",
            (Overload("format-named", (STRING,), optional_of(FORMAT_TYPE), named),),
            doc="the format of that name, or optional.none()",
        ),
        Function(
            "validate",
            (Overload("format-validate", (FORMAT_TYPE, STRING), optional_of(list_of(STRING)),
                      validate, True, cost="size"),),
            doc="optional.none() for a text in the format, else the complaints",
        ),
        *(_constant(name, value) for name, value in FORMATS.items()),
    ),
)  # fmt: skip
