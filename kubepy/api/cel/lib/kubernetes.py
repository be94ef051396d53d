"""Quantities, URLs, versions, formats, regular expressions and JSON patch keys (pkg/cel/library)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from kubepy.api import names, quantity
from kubepy.api.cel.functions import Table, functions, members
from kubepy.api.cel.lib.standard import regex
from kubepy.api.cel.types import opaque
from kubepy.api.cel.values import INT_MAX, INT_MIN, NONE, CelError, Optional, parse_timestamp

TABLE: Table = {}


def _succeeds(parse: Callable[..., Any]) -> Callable[..., bool]:
    def test(*args: Any) -> bool:
        try:
            parse(*args)
        except CelError:
            return False
        return True

    return test


# Quantities.


class Quantity:
    """A resource quantity."""

    __slots__ = ("amount",)
    cel_type = opaque("kubernetes.Quantity")

    def __init__(self, amount: quantity.Quantity) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __str__(self) -> str:
        return str(self.amount)


def _quantity(text: str) -> Quantity:
    try:
        return Quantity(quantity.parse(text))
    except ValueError as e:
        raise CelError(str(e)) from None


def _is_whole(v: Quantity) -> bool:
    return v.amount.nanos % 10**9 == 0 and INT_MIN <= v.amount.nanos // 10**9 <= INT_MAX


def _as_integer(v: Quantity) -> int:
    if not _is_whole(v):
        raise CelError("cannot convert value to integer")
    return v.amount.value()


def _compare(a: Quantity, b: Quantity) -> int:
    return (a.amount.nanos > b.amount.nanos) - (a.amount.nanos < b.amount.nanos)


functions(TABLE, [
    ("quantity", "string -> kubernetes.Quantity", _quantity), ("isQuantity", "string -> bool", _succeeds(_quantity)),
    ("sign", "kubernetes.Quantity -> int", lambda v: (v.amount.nanos > 0) - (v.amount.nanos < 0)),
])  # fmt: skip
members(TABLE, [
    ("isGreaterThan", "kubernetes.Quantity, kubernetes.Quantity -> bool", lambda a, b: _compare(a, b) > 0),
    ("isLessThan", "kubernetes.Quantity, kubernetes.Quantity -> bool", lambda a, b: _compare(a, b) < 0),
    ("compareTo", "kubernetes.Quantity, kubernetes.Quantity -> int", _compare),
    ("asApproximateFloat", "kubernetes.Quantity -> double", lambda v: float(v.amount)),
    ("asInteger", "kubernetes.Quantity -> int", _as_integer), ("isInteger", "kubernetes.Quantity -> bool", _is_whole),
    ("add", "kubernetes.Quantity, kubernetes.Quantity -> kubernetes.Quantity", lambda a, b: Quantity(a.amount + b.amount)),
    ("add", "kubernetes.Quantity, int -> kubernetes.Quantity", lambda a, b: Quantity(a.amount + quantity.Quantity.of(b))),
    ("sub", "kubernetes.Quantity, kubernetes.Quantity -> kubernetes.Quantity", lambda a, b: Quantity(a.amount - b.amount)),
    ("sub", "kubernetes.Quantity, int -> kubernetes.Quantity", lambda a, b: Quantity(a.amount - quantity.Quantity.of(b))),
])  # fmt: skip

# URLs.


class URL:
    """A parsed absolute URL or path."""

    __slots__ = ("parts", "text")
    cel_type = opaque("kubernetes.URL")

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text = text
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, URL) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def host(self) -> str:
        return self.parts.netloc.rpartition("@")[2]

    def hostname(self) -> str:
        host = self.host()
        return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]

    def port(self) -> str:
        host = self.host()
        return host.rpartition("]")[2].removeprefix(":") if host.startswith("[") else host.partition(":")[2]


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")


def parse_request_uri(text: str) -> SplitResult:
    """Go's url.ParseRequestURI; raises CelError with its words."""

    def fail(what: str) -> CelError:
        return CelError(f'parse "{text}": {what}')

    if not text:
        raise fail("empty url")
    if any(ord(c) < 0x20 or c == "\x7f" for c in text):
        raise fail("net/url: invalid control character in URL")
    if not _SCHEME.match(text) and not text.startswith("/"):
        head = text.split("/", 1)[0]
        raise fail("first path segment in URL cannot contain colon" if ":" in head and not head.startswith(":") else (
            "missing protocol scheme" if head.startswith(":") else "invalid URI for request"))  # fmt: skip
    if _SCHEME.match(text) and not text.partition(":")[2].startswith("/"):
        raise fail("invalid URI for request")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise fail("invalid URI for request") from None
    bad = _BAD_ESCAPE.search(parts.path) or _BAD_ESCAPE.search(parts.netloc)
    if bad:
        raise fail(f'invalid URL escape "{bad[0]}"')
    if any(c in parts.netloc for c in ' "<>\\^`{|}'):
        raise fail(f'invalid character "{next(c for c in parts.netloc if c in chr(32) + "<>^`{|}" + chr(34) + chr(92))}" in host name')
    port = URL(text, parts).port()
    if port and not port.isdigit():
        raise fail(f'invalid port ":{port}" after host')
    return parts


def _url(text: str) -> URL:
    try:
        return URL(text, parse_request_uri(text))
    except CelError as e:
        raise CelError(f"URL parse error during conversion from string: {e}") from None


functions(TABLE, [("url", "string -> kubernetes.URL", _url), ("isURL", "string -> bool", _succeeds(_url))])
members(TABLE, [
    ("getScheme", "kubernetes.URL -> string", lambda v: v.parts.scheme), ("getHost", "kubernetes.URL -> string", URL.host),
    ("getHostname", "kubernetes.URL -> string", URL.hostname), ("getPort", "kubernetes.URL -> string", URL.port),
    ("getEscapedPath", "kubernetes.URL -> string", lambda v: quote(v.parts.path, safe="/%:@!$&'()*+,;=-._~")),
    ("getQuery", "kubernetes.URL -> map(string, list(string))", lambda v: parse_qs(v.parts.query, keep_blank_values=True)),
])  # fmt: skip

# Versions.

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


class Semver:
    """A semantic version; build metadata takes no part in comparisons."""

    __slots__ = ("pre", "release")
    cel_type = opaque("kubernetes.Semver")

    def __init__(self, release: tuple[int, int, int], pre: tuple[str, ...]) -> None:
        self.release = release
        self.pre = pre

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self.order() == other.order()

    def __hash__(self) -> int:
        return hash(self.order())

    def order(self) -> tuple[Any, ...]:
        pre = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.pre)
        return (self.release, not pre, pre)


def _semver(text: str, normalize: bool = False) -> Semver:
    original = text
    if normalize:
        parts = text.removeprefix("v").split(".", 2)
        for i, part in enumerate(parts):
            if len(part) > 1:
                stripped = part.lstrip("0")
                parts[i] = stripped if stripped[:1].isdigit() else "0" + stripped
        if len(parts) < 3 and any(c in parts[-1] for c in "+-"):
            raise CelError("short version cannot contain PreRelease/Build meta data")
        text = ".".join([*parts, "0", "0"][: max(3, len(parts))])
    found = _SEMVER.fullmatch(text)
    if found is None:
        if not original:
            raise CelError("Version string empty")
        raise CelError("No Major.Minor.Patch elements found" if text.count(".") < 2 else f'Invalid character(s) found in version "{text}"')
    pre = tuple(found[4].split(".")) if found[4] else ()
    for part in pre:
        if part.isdigit() and len(part) > 1 and part[0] == "0":
            raise CelError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
    return Semver((int(found[1]), int(found[2]), int(found[3])), pre)


def _compare_versions(a: Semver, b: Semver) -> int:
    return (a.order() > b.order()) - (a.order() < b.order())


functions(TABLE, [
    ("semver", "string -> kubernetes.Semver", _semver), ("semver", "string, bool -> kubernetes.Semver", _semver),
    ("isSemver", "string -> bool", _succeeds(_semver)), ("isSemver", "string, bool -> bool", _succeeds(_semver)),
])  # fmt: skip
members(TABLE, [
    ("isGreaterThan", "kubernetes.Semver, kubernetes.Semver -> bool", lambda a, b: _compare_versions(a, b) > 0),
    ("isLessThan", "kubernetes.Semver, kubernetes.Semver -> bool", lambda a, b: _compare_versions(a, b) < 0),
    ("compareTo", "kubernetes.Semver, kubernetes.Semver -> int", _compare_versions),
    *((part, "kubernetes.Semver -> int", lambda v, i=i: v.release[i]) for i, part in enumerate(("major", "minor", "patch"))),
])  # fmt: skip

# Named formats.


class Format:
    """A named format of strings."""

    __slots__ = ("check", "name")
    cel_type = opaque("kubernetes.NamedFormat")

    def __init__(self, name: str, check: Callable[[str], list[str]]) -> None:
        self.name = name
        self.check = check


_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")


def _unless(test: Callable[[str], Any], complaint: str) -> Callable[[str], list[str]]:
    def check(text: str) -> list[str]:
        try:
            return [] if test(text) else [complaint]
        except (ValueError, CelError, binascii.Error):
            return [complaint]

    return check


def _uri(text: str) -> list[str]:
    try:
        parse_request_uri(text)
    except CelError as e:
        return [str(e)]
    return []


_LABEL, _SUBDOMAIN, _LABEL_1035 = names.name_is_label, names.name_is_subdomain, names.name_is_1035_label
FORMATS: dict[str, Format] = {
    "dns1123Label": Format("DNS1123Label", lambda s: _LABEL(s, False)),
    "dns1123Subdomain": Format("DNS1123Subdomain", lambda s: _SUBDOMAIN(s, False)),
    "dns1035Label": Format("DNS1035Label", lambda s: _LABEL_1035(s, False)),
    "qualifiedName": Format("QualifiedName", names.qualified_name),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", lambda s: _LABEL(s, True)),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", lambda s: _SUBDOMAIN(s, True)),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", lambda s: _LABEL_1035(s, True)),
    "labelValue": Format("LabelValue", names.label_value),
    "uri": Format("URI", _uri),
    "uuid": Format("uuid", _unless(_UUID.fullmatch, "does not match the UUID format")),
    "byte": Format("byte", _unless(lambda s: base64.b64decode(s, validate=True) is not None, "invalid base64")),
    "date": Format("date", _unless(lambda s: len(s) == 10 and date.fromisoformat(s), "invalid date")),
    "datetime": Format("datetime", _unless(lambda s: parse_timestamp(s) is not None, "invalid datetime")),
}


def _validate(format_: Format, text: str) -> Optional:
    complaints = format_.check(text)
    return Optional(complaints) if complaints else NONE


functions(TABLE, [(f"format.{name}", "-> kubernetes.NamedFormat", lambda f=f: f) for name, f in FORMATS.items()])
functions(TABLE, [
    ("format.named", "string -> optional(kubernetes.NamedFormat)", lambda n: Optional(FORMATS[n]) if n in FORMATS else NONE),
    ("jsonpatch.escapeKey", "string -> string", lambda s: s.replace("~", "~0").replace("/", "~1")),
])  # fmt: skip
members(TABLE, [("validate", "kubernetes.NamedFormat, string -> optional(list(string))", _validate)])

# Regular expressions.


def _find(text: str, pattern: str) -> str:
    found = regex(pattern).search(text)
    return str(found.group(0)) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    out: list[str] = []
    for found in regex(pattern).finditer(text):
        if 0 <= limit <= len(out):
            break
        out.append(found.group(0))
    return out


members(TABLE, [
    ("find", "string, string -> string", _find), ("findAll", "string, string -> list(string)", _find_all),
    ("findAll", "string, string, int -> list(string)", _find_all),
])  # fmt: skip
