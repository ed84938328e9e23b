"""The cidr library: address ranges as values.

Source: `k8s.io/apiserver/pkg/cel/library/cidr.go` (Kubernetes 1.30), cel-go `ext/network.go`
(`isMask`, not in Kubernetes up to 1.37), and Go's `netip.ParsePrefix`. Bits behind the prefix are
kept, as in `10.1.2.3/8`; `masked` clears them.
"""

from __future__ import annotations

from typing import ClassVar, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.ip import IP, IP_TYPE, AddressError, parse_ip, parse_netip, quoted
from kpolicy.cel.types import BOOL, INT, STRING, Type, type_of_type

CIDR_TYPE: Final = Type("net.CIDR")
_FAILED: Final = "network address parse error during conversion from string: "


class CIDR:
    """An address with the length of its network prefix."""

    __slots__ = ("address", "length")
    cel_type: ClassVar[Type] = CIDR_TYPE
    address: IP
    length: int

    def __init__(self, address: IP, length: int) -> None:
        self.address = address
        self.length = length

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CIDR):
            return NotImplemented
        return self.length == other.length and self.address == other.address

    def __hash__(self) -> int:
        return hash((self.length, self.address))

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    def __repr__(self) -> str:
        return f"CIDR({str(self)!r})"


def parse_cidr(text: str) -> CIDR:
    """Return the range that `cidr(text)` is; raise `CelError` when it is none."""
    address, problem = _parse_prefix(text)
    if isinstance(address, CIDR):
        return address
    # The API server says it twice when netip has failed.
    raise CelError(f"{_FAILED}{_FAILED}netip.ParsePrefix({quoted(text)}): {problem}")


def _parse_prefix(text: str) -> tuple[CIDR | None, str]:
    """Return the range, or None and what is wrong in netip's words."""
    before, slash, digits = text.rpartition("/")
    if not slash:
        return None, "no '/'"
    try:
        address, zone, mapped = parse_netip(before)
    except AddressError as error:
        return None, str(error)
    if zone:
        return None, "IPv6 zones cannot be present in a prefix"
    if not (digits.isascii() and digits.isdigit()) or (len(digits) > 1 and digits[0] == "0"):
        return None, f"bad bits after slash: {quoted(digits)}"
    if len(digits) > 3 or int(digits) > address.bits:
        return None, "prefix length out of range"
    if mapped:
        raise CelError(f"{_FAILED}IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return CIDR(address, int(digits)), ""


def is_cidr(text: str) -> bool:
    """Say whether `cidr(text)` succeeds."""
    try:
        return _parse_prefix(text)[0] is not None
    except CelError:
        return False


def contains_ip(network: CIDR, address: IP) -> bool:
    """Say whether the address is of the network's family and has its prefix."""
    own = network.address
    if own.version != address.version:
        return False
    return (own.number ^ address.number) >> (own.bits - network.length) == 0


def contains_cidr(network: CIDR, other: CIDR) -> bool:
    """Say whether every address of `other` is in `network`."""
    return network.length <= other.length and contains_ip(network, other.address)


def address_of(network: CIDR) -> IP:
    """Return the address in front of the slash."""
    return network.address


def masked(network: CIDR) -> CIDR:
    """Return the range with all bits behind the prefix cleared."""
    own = network.address
    shift = own.bits - network.length
    return CIDR(IP(own.version, own.number >> shift << shift), network.length)


def is_mask(network: CIDR) -> bool:
    """Say whether all bits behind the prefix are zero."""
    return masked(network) == network


def prefix_length(network: CIDR) -> int:
    """Return the number behind the slash."""
    return network.length


LIBRARY: Final = Library(
    name="kubernetes.net.cidr",
    doc="Address ranges.",
    source="k8s.io/apiserver/pkg/cel/library/cidr.go and cel-go ext/network.go",
    constants={"net.CIDR": (type_of_type(CIDR_TYPE), CIDR_TYPE)},
    opaque={CIDR: CIDR_TYPE},
    functions=(
        Function("cidr", (Overload("string_to_cidr", (STRING,), CIDR_TYPE, parse_cidr,
                                   cost="size"),),
                 doc="the address range of a text; an error when it is none"),
        Function("isCIDR", (Overload("is_cidr", (STRING,), BOOL, is_cidr, cost="size"),),
                 doc="whether a text is an address range"),
        Function(
            "containsIP",
            (
                Overload("cidr_contains_ip_string", (CIDR_TYPE, STRING), BOOL,
                         lambda network, text: contains_ip(network, parse_ip(text)), True,
                         cost="size"),
                Overload("cidr_contains_ip_ip", (CIDR_TYPE, IP_TYPE), BOOL, contains_ip, True),
            ),
            doc="whether the range has an address",
        ),
        Function(
            "containsCIDR",
            (
                Overload("cidr_contains_cidr_string", (CIDR_TYPE, STRING), BOOL,
                         lambda network, text: contains_cidr(network, parse_cidr(text)), True,
                         cost="size"),
                Overload("cidr_contains_cidr", (CIDR_TYPE, CIDR_TYPE), BOOL, contains_cidr, True),
            ),
            doc="whether the range has all of another",
        ),
        Function("ip", (Overload("cidr_ip", (CIDR_TYPE,), IP_TYPE, address_of, True),),
                 doc="the address of the range"),
        Function("prefixLength",
                 (Overload("cidr_prefix_length", (CIDR_TYPE,), INT, prefix_length, True),),
                 doc="the length of the prefix in bits"),
        Function("masked", (Overload("cidr_masked", (CIDR_TYPE,), CIDR_TYPE, masked, True),),
                 doc="the range with the bits behind the prefix cleared"),
        Function("isMask", (Overload("cidr_is_mask", (CIDR_TYPE,), BOOL, is_mask, True),),
                 doc="whether the bits behind the prefix are zero"),
        Function("string", (Overload("cidr_to_string", (CIDR_TYPE,), STRING, str),),
                 doc="the range as text"),
    ),
)  # fmt: skip
