"""String formats that schemas of custom resources may demand (kube-openapi pkg/validation/strfmt; apiserver/validation/formats.go)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

from kubepy.api import names
from kubepy.api.cel.lib.kubernetes import parse_request_uri
from kubepy.api.cel.values import CelError, parse_duration, parse_timestamp

Check = Callable[[str], bool]


def _parses(parse: Callable[[str], object]) -> Check:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (CelError, ValueError):
            return False
        return True

    return check


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _date(text: str) -> date:
    if len(text) != 10:
        raise ValueError(text)
    return date.fromisoformat(text)


_SCALA = re.compile(
    r"\s*(\d+)\s*(nanoseconds?|nanos?|nanosecs?|nsecs?|ns|us|µs|microseconds?|micros?|microsecs?|milliseconds?|millis?|millisecs?|ms"
    r"|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w)\s*"
)


def _duration(text: str) -> bool:
    return _parses(parse_duration)(text) or _SCALA.fullmatch(text) is not None


_DATE_TIME = re.compile(r"(?i)\d{4}-\d\d-\d\d[t ]\d\d:\d\d(:\d\d(\.\d+)?)?(z|[+-]\d\d(:?\d\d)?)?")


def _date_time(text: str) -> bool:
    if not _DATE_TIME.fullmatch(text):
        return False
    full = text.replace(" ", "T") if text[10] == " " else text
    if _parses(parse_timestamp)(full):
        return True
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return int(text[11:13]) < 24 and int(text[14:16]) < 60


def _luhn(digits: str) -> bool:
    total = 0
    for i, d in enumerate(reversed(digits)):
        n = int(d) * (2 if i % 2 else 1)
        total += n - 9 if n > 9 else n
    return total % 10 == 0


_CARD = re.compile(r"4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11}")


def _credit_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return _CARD.fullmatch(digits) is not None and _luhn(digits)


def _isbn10(text: str) -> bool:
    body = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch(r"\d{9}[\dXx]", body):
        return False
    return sum((i + 1) * (10 if c in "Xx" else int(c)) for i, c in enumerate(body)) % 11 == 0


def _isbn13(text: str) -> bool:
    body = re.sub(r"[\s-]+", "", text)
    return re.fullmatch(r"\d{13}", body) is not None and sum((3 if i % 2 else 1) * int(c) for i, c in enumerate(body)) % 10 == 0


_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_ADDRESS = re.compile(rf"(?:.*<)?(?:{_ATOM}(?:\.{_ATOM})*|\"[^\"]*\")@(?:{_ATOM}(?:\.{_ATOM})*|\[[^\]]*\])>?")


def _email(text: str) -> bool:
    text = text.strip()
    return _ADDRESS.fullmatch(text) is not None and ("<" in text) == text.endswith(">")


def _hostname(text: str) -> bool:
    if not text or len(text) > 255 or not all(re.fullmatch(_LABEL, part) for part in text.removesuffix(".").split(".")):
        return False
    return not text.replace(".", "").isdigit() or _parses(ipaddress.IPv4Address)(text)


_BYTE = _matches(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})?")
_MAC = (
    r"(?:[0-9a-fA-F]{2}(?P<s>[:-])(?:[0-9a-fA-F]{2}(?P=s)){4}[0-9a-fA-F]{2}(?:(?:(?P=s)[0-9a-fA-F]{2}){2}(?:(?:(?P=s)[0-9a-fA-F]{2}){12})?)?"
    r"|(?:[0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}(?:(?:\.[0-9a-fA-F]{4}){6})?)?)"
)
_RGB = r"(?:0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])"


def _uuid(version: str, variant: str = "[0-9a-f]") -> Check:
    return _matches(rf"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{version}[0-9a-f]{{3}}-?{variant}[0-9a-f]{{3}}-?[0-9a-f]{{12}}")


def _cidr(text: str) -> object:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit():
        raise ValueError(text)
    return ipaddress.ip_network(f"{address}/{bits}", strict=False)


FORMATS: dict[str, Check] = {
    "bsonobjectid": _matches("[0-9a-fA-F]{24}"), "uri": _parses(parse_request_uri), "email": _email, "hostname": _hostname,
    "ipv4": _parses(ipaddress.IPv4Address), "ipv6": _parses(ipaddress.IPv6Address), "cidr": _parses(_cidr), "mac": _matches(_MAC),
    "uuid": _uuid("[0-9a-f]"), "uuid3": _uuid("3"), "uuid4": _uuid("4", "[89ab]"), "uuid5": _uuid("5", "[89ab]"),
    "isbn": lambda s: _isbn10(s) or _isbn13(s), "isbn10": _isbn10, "isbn13": _isbn13, "creditcard": _credit_card,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}"), "hexcolor": _matches("#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _matches(rf"rgb\(\s*{_RGB}\s*,\s*{_RGB}\s*,\s*{_RGB}\s*\)"), "byte": _BYTE, "password": lambda s: True,
    "date": _parses(_date), "duration": _duration, "datetime": _date_time,
    "k8sshortname": lambda s: not names.dns1123_label(s), "k8slongname": lambda s: not names.dns1123_subdomain(s),
}  # fmt: skip
"""Formats of strings, without dashes. What is not here is ignored."""

_NUMERIC = {"integer": ("int32", "int64"), "number": ("float", "double")}


def recognized(kind: str, form: str) -> bool:
    """Whether values of a type are checked against a format."""
    if kind in ("", "string"):
        return form.replace("-", "") in FORMATS
    return form in _NUMERIC.get(kind, ())


def check_of(form: str) -> Check | None:
    """The check of a string format, None for unknown ones."""
    return FORMATS.get(form.replace("-", ""))
