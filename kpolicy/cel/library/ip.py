"""The ip library: IP addresses as values.

Source: `k8s.io/apiserver/pkg/cel/library/ip.go` (Kubernetes 1.30), cel-go `ext/network.go`, and
for what is an address Go's `net/netip` (Go 1.26): no leading zeros in IPv4, no zones, `::` only
where it shortens, and text form by RFC 5952.

An IPv4-mapped IPv6 address is refused when it is written with dots (`::ffff:10.0.0.1`). Written
in hexadecimal (`::ffff:a00:1`) it is the IPv4 address, as cel-spec's `network_ext` case
`ipv4_equals_ipv6` asks; the API server refuses both.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.types import BOOL, INT, STRING, Type, type_of_type

IP_TYPE: Final = Type("net.IP")

_MAPPED: Final = 0xFFFF << 32
_LOWER_HALF: Final = (1 << 64) - 1


class IP:
    """An address: `version` 4 or 6 and its `number` of 32 or 128 bits."""

    __slots__ = ("number", "version")
    cel_type: ClassVar[Type] = IP_TYPE
    version: int
    number: int

    def __init__(self, version: int, number: int) -> None:
        self.version = version
        self.number = number

    @property
    def bits(self) -> int:
        """The length of the address in bits."""
        return 32 if self.version == 4 else 128

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IP):
            return NotImplemented
        return self.version == other.version and self.number == other.number

    def __hash__(self) -> int:
        return hash((self.version, self.number))

    def __str__(self) -> str:
        return _text4(self.number) if self.version == 4 else _text6(self.number)

    def __repr__(self) -> str:
        return f"IP({str(self)!r})"


def _text4(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _text6(number: int) -> str:
    """Return the text of RFC 5952: the first longest run of two or more zero groups as `::`."""
    groups = [number >> shift & 0xFFFF for shift in range(112, -1, -16)]
    start, length = 0, 1
    index = 0
    while index < 8:
        end = index
        while end < 8 and groups[end] == 0:
            end += 1
        if end - index > length:
            start, length = index, end - index
        index = max(end, index + 1)
    texts = [f"{group:x}" for group in groups]
    if length < 2:
        return ":".join(texts)
    return ":".join(texts[:start]) + "::" + ":".join(texts[start + length :])


def quoted(text: str) -> str:
    """Return `text` in double quotes for an error message, cut where it is very long."""
    import json

    return json.dumps(text if len(text) <= 300 else text[:300] + "...", ensure_ascii=False)


class AddressError(ValueError):
    """What is wrong with the text of an address, in netip's words."""

    def __init__(self, text: str, problem: str, at: str = "") -> None:
        where = f" (at {quoted(at)})" if at else ""
        super().__init__(f"ParseAddr({quoted(text)}): {problem}{where}")


def parse_netip(text: str) -> tuple[IP, str, bool]:
    """Return the address, its zone ('' for none), and whether it is IPv4 mapped into IPv6.

    Raises `AddressError` where Go's `netip.ParseAddr` fails.
    """
    for character in text:
        if character == ".":
            return IP(4, _parse4(text, text)), "", False
        if character == ":":
            return _parse6(text)
        if character == "%":
            raise AddressError(text, "missing IPv6 address")
    raise AddressError(text, "unable to parse IP")


def _parse4(text: str, part: str) -> int:
    """Return the number of the dotted quad `part`; `text` is the whole input, for messages."""
    number = value = digits = dots = 0
    for index, character in enumerate(part):
        if character in "0123456789":
            if digits == 1 and value == 0:
                raise AddressError(text, "IPv4 field has octet with leading zero")
            value = value * 10 + int(character)
            digits += 1
            if value > 255:
                raise AddressError(text, "IPv4 field has value >255")
        elif character == ".":
            if digits == 0 or index == len(part) - 1:
                raise AddressError(text, "IPv4 field must have at least one digit", part[index:])
            if dots == 3:
                raise AddressError(text, "IPv4 address too long")
            number = number << 8 | value
            dots += 1
            value = digits = 0
        else:
            raise AddressError(text, "unexpected character", part[index:])
    if dots < 3:
        raise AddressError(text, "IPv4 address too short")
    return number << 8 | value


def _parse6(text: str) -> tuple[IP, str, bool]:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        raise AddressError(text, "zone must be a non-empty string")
    groups: list[int] = []
    ellipsis = -1
    if rest.startswith("::"):
        ellipsis = 0
        rest = rest[2:]
        if not rest:
            return IP(6, 0), zone, False
    while len(groups) < 8:
        size = 0
        while size < len(rest) and rest[size] in "0123456789abcdefABCDEF":
            size += 1
            if size > 4:
                raise AddressError(text, "each group must have 4 or less digits", rest)
        if size == 0:
            raise AddressError(
                text, "each colon-separated field must have at least one digit", rest
            )
        if rest[size : size + 1] == ".":
            if ellipsis < 0 and len(groups) != 6:
                raise AddressError(
                    text,
                    "embedded IPv4 address must replace the final 2 fields of the address",
                    rest,
                )
            if len(groups) > 6:
                raise AddressError(
                    text,
                    "too many hex fields to fit an embedded IPv4 at the end of the address",
                    rest,
                )
            number = _parse4(text, rest)
            groups += [number >> 16, number & 0xFFFF]
            rest = ""
            break
        groups.append(int(rest[:size], 16))
        rest = rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            raise AddressError(text, "unexpected character, want colon", rest)
        if len(rest) == 1:
            raise AddressError(text, "colon must be followed by more characters", rest)
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis >= 0:
                raise AddressError(text, "multiple :: in address", rest)
            ellipsis = len(groups)
            rest = rest[1:]
            if not rest:
                break
    if rest:
        raise AddressError(text, "trailing garbage after address", rest)
    if len(groups) < 8:
        if ellipsis < 0:
            raise AddressError(text, "address string too short")
        groups[ellipsis:ellipsis] = [0] * (8 - len(groups))
    elif ellipsis >= 0:
        raise AddressError(text, "the :: must expand to at least one field of zeros")
    number = 0
    for group in groups:
        number = number << 16 | group
    return IP(6, number), zone, number >> 32 == _MAPPED >> 32


def parse_ip(text: str) -> IP:
    """Return the address that `ip(text)` is; raise `CelError` when it is none."""
    try:
        address, zone, mapped = parse_netip(text)
    except AddressError as error:
        raise CelError(
            f"IP Address {quoted(text)} parse error during conversion from string: {error}"
        ) from None
    if zone:
        raise CelError(f"IP address {quoted(text)} with zone value is not allowed")
    if mapped:
        if "." in text:
            raise CelError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
        return IP(4, address.number & 0xFFFFFFFF)
    return address


def is_ip(text: str) -> bool:
    """Say whether `ip(text)` succeeds."""
    try:
        parse_ip(text)
    except CelError:
        return False
    return True


def is_canonical(text: str) -> bool:
    """Say whether `text` is the text form of the address it stands for; fail when it is none."""
    return str(parse_ip(text)) == text


def family(address: IP) -> int:
    """Return 4 or 6."""
    return address.version


def is_unspecified(address: IP) -> bool:
    """Say whether this is 0.0.0.0 or ::."""
    return address.number == 0


def is_loopback(address: IP) -> bool:
    """Say whether this is in 127.0.0.0/8 or is ::1."""
    return address.number >> 24 == 127 if address.version == 4 else address.number == 1


def is_multicast(address: IP) -> bool:
    """Say whether this is in 224.0.0.0/4 or ff00::/8."""
    if address.version == 4:
        return address.number >> 28 == 0xE
    return address.number >> 120 == 0xFF


def is_link_local_multicast(address: IP) -> bool:
    """Say whether this is in 224.0.0.0/24 or ff02::/16 (any flags)."""
    if address.version == 4:
        return address.number >> 8 == 0xE00000
    return address.number >> 112 & 0xFF0F == 0xFF02


def is_link_local_unicast(address: IP) -> bool:
    """Say whether this is in 169.254.0.0/16 or fe80::/10."""
    if address.version == 4:
        return address.number >> 16 == 0xA9FE
    return address.number >> 118 == 0x3FA


def is_global_unicast(address: IP) -> bool:
    """Say whether this is unicast with more than link-local reach, private ones included."""
    if address.number == 0 or (address.version == 4 and address.number == 0xFFFFFFFF):
        return False
    return not (is_loopback(address) or is_multicast(address) or is_link_local_unicast(address))


def _test(name: str, identifier: str, implementation: Any, doc: str) -> Function:
    overload = Overload(identifier, (IP_TYPE,), BOOL, implementation, True)
    return Function(name, (overload,), doc=doc)


LIBRARY: Final = Library(
    name="kubernetes.net.ip",
    doc="IP addresses.",
    source="k8s.io/apiserver/pkg/cel/library/ip.go and cel-go ext/network.go",
    constants={"net.IP": (type_of_type(IP_TYPE), IP_TYPE)},
    opaque={IP: IP_TYPE},
    functions=(
        Function("ip", (Overload("string_to_ip", (STRING,), IP_TYPE, parse_ip, cost="size"),),
                 doc="the address of a text; an error when it is none"),
        Function("isIP", (Overload("is_ip", (STRING,), BOOL, is_ip, cost="size"),),
                 doc="whether a text is an IP address"),
        Function("ip.isCanonical",
                 (Overload("ip_is_canonical", (STRING,), BOOL, is_canonical, cost="size"),),
                 doc="whether a text is the one usual form of its address"),
        Function("family", (Overload("ip_family", (IP_TYPE,), INT, family, True),),
                 doc="4 or 6"),
        _test("isUnspecified", "ip_is_unspecified", is_unspecified, "whether it is 0.0.0.0 or ::"),
        _test("isLoopback", "ip_is_loopback", is_loopback, "whether it is the machine's own"),
        _test("isLinkLocalMulticast", "ip_is_link_local_multicast", is_link_local_multicast,
              "whether it is a multicast address of the link"),
        _test("isLinkLocalUnicast", "ip_is_link_local_unicast", is_link_local_unicast,
              "whether it is a unicast address of the link"),
        _test("isGlobalUnicast", "ip_is_global_unicast", is_global_unicast,
              "whether it is a unicast address beyond the link, private ones included"),
        Function("string", (Overload("ip_to_string", (IP_TYPE,), STRING, str),),
                 doc="the address as text"),
    ),
)  # fmt: skip
