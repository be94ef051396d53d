"""A pod template as upstream renders it for its hash: the Go struct, printed with types. Pure.

`pod-template-hash` and daemon revisions come from FNV over the text that go-spew's `%#v` gives for a v1.PodTemplateSpec. With the
order and types of its fields (gotypes.json, as of v1.36) the text is the same here, and so are the names of ReplicaSets.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

Fields = list[tuple[str, str, str]]
_PLAIN = frozenset(("string", "int32", "int64", "bool", "types.UID"))
_NO_TIME = "{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@cache
def _types() -> dict[str, str | Fields]:
    """Type name → what a named type stands for, or a struct's (Go name, type, JSON name) in order; JSON name `-` is embedded."""
    raw = json.loads(Path(__file__).with_name("gotypes.json").read_text())

    def field(text: str) -> tuple[str, str, str]:
        name, kind, key = text.split(" ")
        return name, kind, key

    out: dict[str, str | Fields] = {}
    for name, value in raw.items():
        out[name] = value if isinstance(value, str) else [field(f) for f in value]
    return out


def _name(kind: str) -> str:
    """A type as Go prints it."""
    if kind.startswith("*"):
        return "*" + _name(kind[1:])
    if kind.startswith("[]"):
        return "[]" + _name(kind[2:])
    if kind.startswith("map["):
        key, _, value = kind[4:].partition("]")
        return f"map[{_name(key)}]{_name(value)}"
    if kind in _PLAIN or kind.startswith(("resource.", "intstr.")):
        return kind
    return "v1." + kind.removeprefix("meta.")


def render(template: dict[str, Any]) -> str:
    """The text of a core/v1 PodTemplateSpec with all its defaults set."""
    out: list[str] = []
    _value("PodTemplateSpec", template, out, True)
    return "".join(out)


def _value(kind: str, value: Any, out: list[str], typed: bool) -> None:
    if kind.startswith("*"):
        if value is None:
            out.append(f"({_name(kind)})<nil>" if typed else "<nil>")
            return
        out.append(f"({_name(kind)})" if typed else "<*>")
        _value(kind[1:], value, out, False)
        return
    if typed:
        out.append(f"({_name(kind)})")
    if kind.startswith("[]"):
        _list(kind[2:], value, out)
    elif kind.startswith("map["):
        key, _, item = kind[4:].partition("]")
        _map(key, item, value, out)
    elif kind in ("string", "types.UID"):
        out.append(value or "")
    elif kind in ("int32", "int64"):
        out.append(str(value or 0))
    elif kind == "bool":
        out.append("true" if value else "false")
    elif kind == "Time":
        out.append(_NO_TIME)
    elif kind == "intstr.IntOrString":
        text = isinstance(value, str)
        out.append(f"{{Type:(intstr.Type){int(text)} IntVal:(int32){0 if text else value or 0} StrVal:(string){value if text else ''}}}")
    elif kind == "resource.Quantity":
        out.append(_quantity(str(value)) if value is not None else _quantity(""))
    else:
        _named(kind, value, out)


def _list(item: str, values: Any, out: list[str]) -> None:
    if not values:
        out.append("<nil>")
        return
    out.append("[")
    for number, entry in enumerate(values):
        if number:
            out.append(" ")
        _value(item, entry, out, False)
    out.append("]")


def _map(key_kind: str, value_kind: str, values: Any, out: list[str]) -> None:
    if not values:
        out.append("<nil>")
        return
    out.append("map[")
    for number, key in enumerate(sorted(values)):
        if number:
            out.append(" ")
        _value(key_kind, key, out, False)
        out.append(":")
        _value(value_kind, values[key], out, False)
    out.append("]")


def _named(kind: str, value: Any, out: list[str]) -> None:
    found = _types()[kind]
    if isinstance(found, str):
        _value(found, value, out, False)
        return
    fields = value or {}
    out.append("{")
    for number, (name, field_kind, key) in enumerate(found):
        out.append(f" {name}:" if number else f"{name}:")
        _value(field_kind, fields if key == "-" else fields.get(key), out, True)
    out.append("}")


def _quantity(text: str) -> str:
    """A canonical quantity as it is parsed: it keeps its text only where upstream's parser does."""
    number, scale, form, kept = 0, 0, "DecimalSI" if text else "", text
    suffix = text.lstrip("-0123456789")
    digits = text[: len(text) - len(suffix)]
    if suffix in _BINARY:
        number, form = int(digits) << _BINARY[suffix], "BinarySI"
        kept = text if int(digits) & 7 else ""
    elif suffix.startswith("e") and digits:
        number, scale, form = int(digits), int(suffix[1:]), "DecimalExponent"
        kept = "" if scale % 3 or digits.endswith("000") else text
    elif digits and text != "0":
        number, scale = int(digits), _DECIMAL[suffix]
        kept = "" if digits.endswith("000") else text
    amount = f"{{value:(int64){number} scale:(resource.Scale){scale}}}"
    rest = f"d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){form}"
    return f"{{i:(resource.int64Amount){amount} {rest}}}"
