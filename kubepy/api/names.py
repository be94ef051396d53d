"""Formats of names, labels and keys, with upstream's messages. Pure functions: a value in, a list of complaints out.

Upstream: apimachinery pkg/util/validation, pkg/api/validate/content, pkg/api/validation/generic.go, apiserver storage/names.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + "(\\." + LABEL + ")*"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = "(" + QUALIFIED + ")?"
_LABEL_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_UNDERSCORE = _LABEL_UNDERSCORE + "(\\." + _LABEL_UNDERSCORE + ")*"

_ALNUM_ENDS = "and must start and end with an alphanumeric character"
_QUALIFIED_TEXT = f"must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}"

MAX_LABEL = 63
MAX_SUBDOMAIN = 253


def regex_error(text: str, pattern: str, *examples: str) -> str:
    """Upstream's RegexError: the rule, examples and the expression."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{e}', " for e in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def max_length(limit: int, unit: str = "characters") -> str:
    """`must be no more than 253 characters`; label keys and values count `bytes`."""
    return f"must be no more than {limit} {unit}"


def in_range(low: int, high: int) -> str:
    """`must be between 1 and 65535, inclusive`."""
    return f"must be between {low} and {high}, inclusive"


def _size(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def _rule(pattern: str, limit: int | None, text: str, *examples: str, unit: str = "characters") -> Callable[[str], list[str]]:
    matches = re.compile(pattern).fullmatch
    message = regex_error(text, pattern, *examples)

    def check(value: str) -> list[str]:
        out = []
        if limit is not None and _size(value) > limit:
            out.append(max_length(limit, unit))
        if not matches(value):
            out.append(message)
        return out

    return check


_SUBDOMAIN_TEXT = f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ALNUM_ENDS}"
dns1123_subdomain = _rule(SUBDOMAIN, MAX_SUBDOMAIN, _SUBDOMAIN_TEXT, "example.com")
_prefix = _rule(SUBDOMAIN, MAX_SUBDOMAIN, _SUBDOMAIN_TEXT, "example.com", unit="bytes")
dns1123_subdomain_with_underscore = _rule(
    _SUBDOMAIN_UNDERSCORE,
    MAX_SUBDOMAIN,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ALNUM_ENDS}",
    "example.com",
)
_plain_label = _rule(
    LABEL,
    MAX_LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ALNUM_ENDS}",
    "my-name",
    "123-abc",
)
dns1035_label = _rule(
    LABEL_1035,
    MAX_LABEL,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    "my-name",
    "abc-123",
)
wildcard_dns1123_subdomain = _rule(
    "\\*\\." + SUBDOMAIN,
    MAX_SUBDOMAIN,
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case "
    "alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    "*.example.com",
)
label_value = _rule(
    LABEL_VALUE,
    MAX_LABEL,
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}",
    "MyValue",
    "my_value",
    "12345",
    unit="bytes",
)
c_identifier = _rule(
    "[A-Za-z_][A-Za-z0-9_]*",
    None,
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
    "my_name",
    "MY_NAME",
    "MyName",
)
http_header_name = _rule("[-A-Za-z0-9]+", None, "a valid HTTP header must consist of alphanumeric characters or '-'", "X-Header-Name")
percent = _rule("[0-9]+%", None, "a valid percent string must be a numeric string followed by an ending '%'", "1%", "93%")
_config_key = _rule(
    "[-._a-zA-Z0-9]+",
    MAX_SUBDOMAIN,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "key.name",
    "KEY_NAME",
    "key-name",
)
_env_name = _rule(
    "[-._a-zA-Z][-._a-zA-Z0-9]*",
    None,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
    "my.env-name",
    "MY_ENV.NAME",
    "MyEnvName1",
)

_SUBDOMAIN_MATCH = re.compile(SUBDOMAIN).fullmatch
_LABEL_MATCH = re.compile(LABEL).fullmatch
_QUALIFIED_MATCH = re.compile(QUALIFIED).fullmatch
_PORT_NAME = re.compile("[-a-z0-9]+").fullmatch


def dns1123_label(value: str) -> list[str]:
    """IsDNS1123Label: what is wrong with a DNS label; a dotted name gets its own message."""
    if not _LABEL_MATCH(value) and _SUBDOMAIN_MATCH(value):
        too_long = [max_length(MAX_LABEL)] if _size(value) > MAX_LABEL else []
        return [*too_long, "must not contain dots"]
    return _plain_label(value)


def qualified_name(value: str) -> list[str]:
    """IsQualifiedName / IsLabelKey: an optional DNS subdomain and `/`, then a name of at most 63 characters."""
    parts = value.split("/")
    if len(parts) > 2:
        text = regex_error(_QUALIFIED_TEXT, QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    out = []
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            out.append("prefix part must be non-empty")
        else:
            out += [f"prefix part {m}" for m in _prefix(parts[0])]
    if not name:
        out.append("name part must be non-empty")
    elif _size(name) > MAX_LABEL:
        out.append("name part " + max_length(MAX_LABEL, "bytes"))
    if not _QUALIFIED_MATCH(name):
        out.append("name part " + regex_error(_QUALIFIED_TEXT, QUALIFIED, "MyName", "my.name", "123-abc"))
    return out


def port_name(value: str) -> list[str]:
    """IsValidPortName: an IANA service name."""
    out = []
    if _size(value) > 15:
        out.append(max_length(15))
    if not _PORT_NAME(value):
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        out.append("must not begin or end with a hyphen")
    return out


def port_number(value: int) -> list[str]:
    """IsValidPortNum: 1 to 65535."""
    return [] if 1 <= value <= 65535 else [in_range(1, 65535)]


def _dotted(value: str) -> list[str]:
    if value == ".":
        return ["must not be '.'"]
    if value == "..":
        return ["must not be '..'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def config_map_key(value: str) -> list[str]:
    """IsConfigMapKey: a key of a ConfigMap's or Secret's data."""
    return _config_key(value) + _dotted(value)


def env_var_name(value: str) -> list[str]:
    """IsEnvVarName: the strict rule, used by envFrom prefixes and older fields."""
    return _env_name(value) + _dotted(value)


def relaxed_env_var_name(value: str) -> list[str]:
    """IsRelaxedEnvVarName: any printable ASCII but `=`."""
    out = [] if value else ["environment variable name must be non-empty"]
    if any(not 32 <= ord(c) <= 126 or c == "=" for c in value):
        out.append("a valid environment variable name must consist only of printable ASCII characters other than '='")
    return out


def path_segment(value: str, prefix: bool = False) -> list[str]:
    """IsValidPathSegmentName, or IsValidPathSegmentPrefix: names of RBAC objects and custom resources."""
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{c}'" for c in "/%" if c in value]


def name_is_subdomain_once_generated(value: str, prefix: bool = False) -> list[str]:
    """NameIsDNSSubdomain for kinds that look at names alone, not at what they are generated from."""
    return [] if prefix else name_is_subdomain(value, False)


NameCheck = Callable[[str, bool], list[str]]
"""(name, it is a generateName prefix) -> complaints."""


def _name_check(rule: Callable[[str], list[str]]) -> NameCheck:
    def check(value: str, prefix: bool = False) -> list[str]:
        # A prefix may end in a dash, because characters follow it. Upstream drops the dash together with the character before it.
        if prefix and len(value) > 1 and value.endswith("-"):
            value = value[:-2] + "a"
        return rule(value)

    return check


name_is_subdomain = _name_check(dns1123_subdomain)
name_is_label = _name_check(dns1123_label)
name_is_1035_label = _name_check(dns1035_label)

GENERATED_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Upstream's util/rand alphabet: no vowels (no words), no look-alikes."""
GENERATED_LENGTH = 5
_MAX_GENERATED_BASE = MAX_LABEL - GENERATED_LENGTH


def generate(base: str, choose: Callable[[str], str]) -> str:
    """A name for generateName: `base`, cut to 58 characters, and five that `choose` (random.choice, say) picks."""
    return base[:_MAX_GENERATED_BASE] + "".join(choose(GENERATED_ALPHABET) for _ in range(GENERATED_LENGTH))
