"""ConfigMaps and Secrets: keys, sizes, types, and immutability once asked for.

Upstream: ValidateConfigMap, ValidateSecret, pkg/registry/core/{configmap,secret}, conversion of stringData.
"""

from __future__ import annotations

import base64
import binascii
import json

from apiserver.context import Obj
from apiserver.registry.strategies import keypairs
from apiserver.registry.strategies.checks import Errors, immutable
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.gojsonerrors import object_error
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, required, too_long

MAX_SIZE = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_FROZEN = "field is immutable when `immutable` is set"


def _secret_warnings(new: Obj, _old: Obj | None) -> list[str]:
    if new.get("type") != "kubernetes.io/tls":
        return []
    data = new.get("data") or {}
    problem = keypairs.problem(*(base64.b64decode(data.get(name) or "") for name in ("tls.crt", "tls.key")))
    return [problem] if problem else []


def _decoded_size(text: str) -> int:
    """Bytes that a base64 text stands for."""
    return len(text) * 3 // 4 - text[-2:].count("=") if text else 0


def _keys(out: Errors, data: dict[str, str], path: str) -> None:
    for key in data:
        for m in names.config_map_key(key):
            out.append(invalid(f"{path}[{key}]", key, m))


def _frozen(out: Errors, new: Obj, old: Obj | None, *keys: str) -> None:
    """After `immutable: true`, neither it nor the data may change."""
    if old is None or not old.get("immutable"):
        return
    if not new.get("immutable"):
        out.append(forbidden_field("immutable", _FROZEN))
    out.extend(forbidden_field(k, _FROZEN) for k in keys if (new.get(k) or {}) != (old.get(k) or {}))


def _config_map(out: Errors, new: Obj, old: Obj | None) -> None:
    _frozen(out, new, old, "data", "binaryData")
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    size = 0
    for key, value in data.items():
        for m in names.config_map_key(key):
            out.append(invalid(f"data[{key}]", key, m))
        if key in binary:
            out.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(value) if value.isascii() else len(value.encode())
    _keys(out, binary, "binaryData")
    size += sum(map(_decoded_size, binary.values()))
    if size > MAX_SIZE:
        out.append(too_long("[]", MAX_SIZE))


def _merge_string_data(obj: Obj) -> None:
    """stringData is only written: it becomes data."""
    strings = obj.pop("stringData", None)
    if strings:
        data = obj.setdefault("data", {})
        for key, text in strings.items():
            data[key] = base64.b64encode(text.encode()).decode()


def _prepare_secret_update(new: Obj, old: Obj) -> None:
    # Old clients leave the type out; it cannot have changed.
    if not new.get("type"):
        new["type"] = old.get("type", "Opaque")


def _json_problem(text: str) -> str | None:
    try:
        raw = base64.b64decode(text, validate=False).decode("utf-8", "replace")
    except binascii.Error:
        raw = ""
    try:
        if isinstance(json.loads(raw), dict):
            return None
    except ValueError:
        pass
    return object_error(raw)


def _secret(out: Errors, new: Obj, old: Obj | None) -> None:
    if old is not None:
        immutable(out, new.get("type", ""), old.get("type", ""), "type")
    _frozen(out, new, old, "data")
    data = new.get("data") or {}
    _keys(out, data, "data")
    if sum(map(_decoded_size, data.values())) > MAX_SIZE:
        out.append(too_long("data", MAX_SIZE))
    match new.get("type"):
        case "kubernetes.io/service-account-token":
            if not (new["metadata"].get("annotations") or {}).get(_ACCOUNT):
                out.append(required(f"metadata.annotations[{_ACCOUNT}]"))
        case "kubernetes.io/dockercfg":
            _docker(out, data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            _docker(out, data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                out += [required("data[username]"), required("data[password]")]
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                out.append(required("data[ssh-privatekey]"))
        case "kubernetes.io/tls":
            out.extend(required(f"data[{k}]") for k in ("tls.crt", "tls.key") if k not in data)


def _docker(out: Errors, data: dict[str, str], key: str) -> None:
    if key not in data:
        out.append(required(f"data[{key}]"))
    elif (problem := _json_problem(data[key])) is not None:
        out.append(invalid(f"data[{key}]", "<secret contents redacted>", problem))


CONFIG_MAP = Strategy(has_generation=False, allow_create_on_update=False, **both(_config_map))
SECRET = Strategy(
    default=_merge_string_data, warnings=_secret_warnings, prepare_update=_prepare_secret_update, has_generation=False, **both(_secret)
)
