"""The url library: URLs as values.

Source: `k8s.io/apiserver/pkg/cel/library/urls.go` (all versions) and, for what is a URL and what
are its parts, Go's `net/url` (Go 1.26, which Kubernetes 1.37 is built with). The text is taken as
the UTF-8 bytes it would be in Go.
"""

from __future__ import annotations

from typing import ClassVar, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.ip import AddressError, parse_netip, quoted
from kpolicy.cel.types import BOOL, STRING, Type, list_of, map_of

URL_TYPE: Final = Type("kubernetes.URL")

_LETTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS: Final = frozenset(b"0123456789")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_UNRESERVED: Final = _LETTERS | _DIGITS | frozenset(b"-_.~")
#: Bytes that stay as they are in each part of a URL; all others are written as %XX.
_HOST: Final = _UNRESERVED | frozenset(b"!$&'()*+,;=:[]<>\"")
_PATH: Final = _UNRESERVED | frozenset(b"$&+,/:;=@")
_FRAGMENT: Final = _UNRESERVED | frozenset(b"$&+,/:;=?@!()*")
_USER: Final = _UNRESERVED | frozenset(b"$&+,;=")
_USERINFO: Final = _LETTERS | _DIGITS | frozenset(b"-._:~!$&'()*+,;=%@")
#: Bytes that a path or fragment may hold although Go itself would escape some of them.
_ALSO_VALID: Final = frozenset(b"!$&'()*+,;=:@[]%")
_MAX_QUERY_PARAMETERS: Final = 10_000


class _UrlError(ValueError):
    """What is wrong with a URL, in net/url's words."""


class URL:
    """A parsed URL; each part in the bytes Go would keep.

    `raw_path` and `raw_fragment` are set when Go would write `path` and `fragment` otherwise.
    """

    __slots__ = (
        "force_query", "fragment", "host", "omit_host", "opaque", "path", "query", "raw_fragment",
        "raw_path", "scheme", "user",
    )  # fmt: skip
    cel_type: ClassVar[Type] = URL_TYPE

    def __init__(
        self,
        *,
        scheme: str = "",
        opaque: bytes = b"",
        user: tuple[bytes, bytes | None] | None = None,
        host: bytes = b"",
        path: bytes = b"",
        raw_path: bytes = b"",
        query: bytes = b"",
        force_query: bool = False,
        omit_host: bool = False,
    ) -> None:
        self.scheme = scheme
        self.opaque = opaque
        self.user = user
        self.host = host
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.force_query = force_query
        self.omit_host = omit_host
        self.fragment = b""
        self.raw_fragment = b""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, URL):
            return NotImplemented
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def escaped_path(self) -> bytes:
        """Return the path as it was written when that was valid, else escaped anew."""
        if self.raw_path and _is_encoded(self.raw_path, _PATH):
            return self.raw_path
        return self.path if self.path == b"*" else _escape(self.path, _PATH)

    def __str__(self) -> str:
        text = f"{self.scheme}:".encode() if self.scheme else b""
        if self.opaque:
            text += self.opaque
        else:
            if (self.scheme or self.host or self.user) and not (
                self.omit_host and not self.host and self.user is None
            ):
                if self.host or self.path or self.user:
                    text += b"//"
                if self.user is not None:
                    name, password = self.user
                    text += _escape(name, _USER)
                    text += b":" + _escape(password, _USER) if password is not None else b""
                    text += b"@"
                text += _escape(self.host, _HOST)
            path = self.escaped_path()
            if path and path[:1] != b"/" and self.host:
                text += b"/"
            if not text and b":" in path.split(b"/", 1)[0]:
                text += b"./"
            text += path
        if self.force_query or self.query:
            text += b"?" + self.query
        if self.fragment:
            valid = self.raw_fragment and _is_encoded(self.raw_fragment, _FRAGMENT)
            text += b"#" + (self.raw_fragment if valid else _escape(self.fragment, _FRAGMENT))
        return _text(text)

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _escape(data: bytes, kept: frozenset[int]) -> bytes:
    if kept.issuperset(data):
        return data
    return b"".join(bytes((b,)) if b in kept else b"%%%02X" % b for b in data)


def _is_encoded(data: bytes, kept: frozenset[int]) -> bool:
    return all(b in _ALSO_VALID or b in kept for b in data)


def _unescape(data: bytes, part: str = "") -> bytes:
    """Return `data` with %XX decoded; `part` is "host", "zone" or '' for any other.

    Raises `_UrlError` for a malformed escape and for what a host must not hold.
    """
    pieces = data.split(b"%")
    _check_host(pieces[0], part)
    result = bytearray(pieces[0])
    for piece in pieces[1:]:
        digits = piece[:2]
        if len(digits) < 2 or not _HEX.issuperset(digits):
            raise _UrlError(f"invalid URL escape {quoted('%' + _text(digits))}")
        value = int(digits, 16)
        if digits != b"25" and (
            (part == "host" and value < 0x80)
            or (part == "zone" and value != 0x20 and value not in _HOST)
        ):
            raise _UrlError(f"invalid URL escape {quoted('%' + _text(digits))}")
        _check_host(piece[2:], part)
        result.append(value)
        result += piece[2:]
    return bytes(result)


def _check_host(data: bytes, part: str) -> None:
    """Raise `_UrlError` for an ASCII character that a host (or zone) must not hold."""
    if part in ("host", "zone"):
        for byte in data:
            if byte < 0x80 and byte not in _HOST:
                raise _UrlError(f"invalid character {quoted(chr(byte))} in host name")


def _scheme(data: bytes) -> tuple[bytes, bytes]:
    """Return the scheme and what follows its colon, or b'' and all."""
    for index, byte in enumerate(data):
        if byte in _LETTERS:
            continue
        if byte in b"0123456789+-.":
            if index == 0:
                break
        elif byte == 0x3A:
            if index == 0:
                raise _UrlError("missing protocol scheme")
            return data[:index], data[index + 1 :]
        else:
            break
    return b"", data


def _parse(data: bytes, *, request: bool) -> URL:
    """Return the parts of a URL without fragment.

    `request`: as in the first line of an HTTP request, which has only absolute URLs and paths.
    """
    if any(b < 0x20 or b == 0x7F for b in data):
        raise _UrlError("net/url: invalid control character in URL")
    if not data and request:
        raise _UrlError("empty url")
    if data == b"*":
        return URL(path=b"*")
    scheme, rest = _scheme(data)
    name = scheme.lower().decode("ascii")
    force_query = rest.endswith(b"?") and rest.count(b"?") == 1
    rest, _, query = rest.partition(b"?")
    if not rest.startswith(b"/"):
        if scheme:
            return URL(scheme=name, opaque=rest, query=query, force_query=force_query)
        if request:
            raise _UrlError("invalid URI for request")
        if b":" in rest.split(b"/", 1)[0]:
            raise _UrlError("first path segment in URL cannot contain colon")
    user = None
    host = b""
    omit_host = False
    if rest.startswith(b"//") and (scheme or (not request and not rest.startswith(b"///"))):
        authority, slash, path = rest[2:].partition(b"/")
        rest = slash + path
        user, host = _authority(name, authority)
    elif scheme and rest.startswith(b"/"):
        omit_host = True
    path = _unescape(rest)
    raw_path = b"" if _escape(path, _PATH) == rest else rest
    return URL(
        scheme=name, user=user, host=host, path=path, raw_path=raw_path, query=query,
        force_query=force_query, omit_host=omit_host,
    )  # fmt: skip


def _authority(scheme: str, authority: bytes) -> tuple[tuple[bytes, bytes | None] | None, bytes]:
    """Return user information, if there is any, and the host with its port."""
    info, at, host = authority.rpartition(b"@")
    host = _host(scheme, host)
    if not at:
        return None, host
    if not _USERINFO.issuperset(info):
        raise _UrlError("net/url: invalid userinfo")
    name, colon, password = info.partition(b":")
    return (_unescape(name), _unescape(password) if colon else None), host


def _is_port(data: bytes) -> bool:
    return not data or (data[:1] == b":" and _DIGITS.issuperset(data[1:]))


def _host(scheme: str, host: bytes) -> bytes:
    """Return the unescaped host with its port; raise `_UrlError` for a malformed one."""
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise _UrlError("invalid IP-literal")
    if bracket == 0:
        return _bracketed_host(host)
    first, last = host.find(b":"), host.rfind(b":")
    if first >= 0:
        # Databases list hosts with ports; in http and https a second colon is an error.
        port = host[first if scheme in ("http", "https") else last :]
        if not _is_port(port):
            raise _UrlError(f"invalid port {quoted(_text(port))} after host")
    return _unescape(host, "host")


def _bracketed_host(host: bytes) -> bytes:
    close = host.rfind(b"]")
    if close < 0:
        raise _UrlError("missing ']' in host")
    port = host[close + 1 :]
    if not _is_port(port):
        raise _UrlError(f"invalid port {quoted(_text(port))} after host")
    inner = host[1:close]
    zone = inner.find(b"%25")
    if zone >= 0:
        inner = _unescape(inner[:zone], "host") + _unescape(inner[zone:], "zone")
    else:
        inner = _unescape(inner, "host")
    try:
        address, _, _ = parse_netip(_text(inner))
    except AddressError as error:
        raise _UrlError(f"invalid host: {error}") from None
    if address.version == 4:
        raise _UrlError("invalid IP-literal")
    return b"[" + inner + b"]" + port


def request_problem(text: str) -> str:
    """Return why `text` is no absolute URL and no absolute path, in Go's words, or ''."""
    try:
        _parse(_bytes(text), request=True)
    except _UrlError as error:
        return f"parse {quoted(text)}: {error}"
    return ""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def parse_url(text: str) -> URL:
    """Return the URL that `url(text)` is; raise `CelError` when it is none."""
    problem = request_problem(text)
    if not problem:
        # As a request the fragment would count as path or query; so it is parsed again without it.
        before, _, fragment = _bytes(text).partition(b"#")
        failed = _text(before)
        try:
            url = _parse(before, request=False)
            failed = text
            url.fragment = _unescape(fragment)
            if _escape(url.fragment, _FRAGMENT) != fragment:
                url.raw_fragment = fragment
            return url
        except _UrlError as error:
            problem = f"parse {quoted(failed)}: {error}"
    raise CelError(f"URL parse error during conversion from string: {problem}")


def is_url(text: str) -> bool:
    """Say whether `text` is an absolute URL or an absolute path."""
    return not request_problem(text)


def scheme(url: URL) -> str:
    """Return the scheme in lower case, '' when there is none."""
    return url.scheme


def host(url: URL) -> str:
    """Return host and port; an IPv6 address has brackets."""
    return _text(url.host)


def _split_port(host: bytes) -> tuple[bytes, bytes]:
    colon = host.rfind(b":")
    port = b""
    if colon >= 0 and _is_port(host[colon:]):
        host, port = host[:colon], host[colon + 1 :]
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    return host, port


def hostname(url: URL) -> str:
    """Return the host without port and brackets."""
    return _text(_split_port(url.host)[0])


def port(url: URL) -> str:
    """Return the port as text, '' when there is none."""
    return _text(_split_port(url.host)[1])


def escaped_path(url: URL) -> str:
    """Return the path in its escaped form."""
    return _text(url.escaped_path())


def query(url: URL) -> dict[str, list[str]]:
    """Return the query's values by key; malformed pairs are left out.

    Empty as well when there are more than 10,000 pairs, where Go gives up.
    """
    values: dict[str, list[str]] = {}
    if url.query.count(b"&") >= _MAX_QUERY_PARAMETERS:
        return values
    for pair in url.query.split(b"&"):
        if not pair or b";" in pair:
            continue
        key, _, value = pair.replace(b"+", b" ").partition(b"=")
        try:
            name, content = _text(_unescape(key)), _text(_unescape(value))
        except _UrlError:
            continue
        values.setdefault(name, []).append(content)
    # Go's map has no order; by key is the one that never changes.
    return dict(sorted(values.items()))


def _getter(name: str, identifier: str, implementation: object, doc: str) -> Function:
    overload = Overload(identifier, (URL_TYPE,), STRING, implementation, True)  # type: ignore[arg-type]
    return Function(name, (overload,), doc=doc)


LIBRARY: Final = Library(
    name="kubernetes.urls",
    doc="URLs.",
    source="k8s.io/apiserver/pkg/cel/library/urls.go and Go's net/url",
    opaque={URL: URL_TYPE},
    functions=(
        Function("url", (Overload("string_to_url", (STRING,), URL_TYPE, parse_url, cost="size"),),
                 doc="the URL of a text; an error when it is none"),
        Function("isURL", (Overload("is_url_string", (STRING,), BOOL, is_url, cost="size"),),
                 doc="whether a text is an absolute URL or an absolute path"),
        _getter("getScheme", "url_get_scheme", scheme, "the scheme, in lower case"),
        _getter("getHost", "url_get_host", host, "host and port"),
        _getter("getHostname", "url_get_hostname", hostname, "the host alone"),
        _getter("getPort", "url_get_port", port, "the port as text"),
        _getter("getEscapedPath", "url_get_escaped_path", escaped_path, "the path, escaped"),
        Function(
            "getQuery",
            (Overload("url_get_query", (URL_TYPE,), map_of(STRING, list_of(STRING)), query, True),),
            doc="the values of the query by key",
        ),
    ),
)  # fmt: skip
