"""Projected and downward API volumes: files from several sources under one mount.

Upstream: validateProjectionSources, validateDownwardAPIVolumeFile.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, label_selector, named
from apiserver.registry.strategies.podspec import env, sources
from apiserver.registry.strategies.podspec.options import Options
from apiserver.registry.strategies.podspec.paths import file_mode, local_non_reserved
from apiserver.registry.strategies.signers import signer_name, trust_bundle_name
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_CONFLICT = "conflicting duplicate paths"
_KEY_TYPES = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")


def downward_api(out: Errors, source: Obj, path: str) -> None:
    """A downwardAPI volume."""
    file_mode(out, source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        _file(out, item, path)


def _file(out: Errors, item: Obj, path: str) -> None:
    # Upstream gives the volume's path, without the item's index.
    if not item.get("path"):
        out.append(required(f"{path}.path"))
    local_non_reserved(out, item.get("path") or "", f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        env.field_ref(out, field, env.VOLUME_FIELDS, f"{path}.fieldRef")
        if resource is not None:
            out.append(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
    elif resource is not None:
        env.resource_ref(out, resource, f"{path}.resourceFieldRef", volume=True)
    else:
        out.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    file_mode(out, item.get("mode"), f"{path}.mode")


def validate(out: Errors, volume: Obj, path: str, options: Options) -> None:
    """A projected volume: each source is one of its kinds, and no two write the same path."""
    file_mode(out, volume.get("defaultMode"), f"{path}.defaultMode")
    seen: set[str] = set()

    def claim(where: str, shown: str) -> None:
        if where in seen:
            out.append(invalid(path, shown, _CONFLICT))
        seen.add(where)

    for i, source in enumerate(volume.get("sources") or ()):
        at = f"{path}.sources[{i}]"
        count = 0
        for key in ("secret", "configMap"):
            if (part := source.get(key)) is not None:
                count += 1
                name = part.get("name") or ""
                if not name:
                    out.append(required(f"{at}.{key}.name"))
                for j, item in enumerate(part.get("items") or ()):
                    sources.key_to_path(out, item, f"{at}.{key}.items[{j}]")
                    if item.get("path"):
                        claim(item["path"], name)
        if (part := source.get("downwardAPI")) is not None:
            count += 1
            for item in part.get("items") or ():
                _file(out, item, f"{at}.downwardAPI")
                if item.get("path"):
                    claim(item["path"], item["path"])
        if (part := source.get("serviceAccountToken")) is not None:
            count += 1
            _token(out, part, path, f"{at}.serviceAccountToken", options)
        if (part := source.get("clusterTrustBundle")) is not None:
            count += 1
            _trust_bundle(out, part, f"{at}.clusterTrustBundle")
            claim(part.get("path") or "", part.get("path") or "")
        if (part := source.get("podCertificate")) is not None:
            count += 1
            _certificate(out, part, f"{at}.podCertificate")
            for key in ("credentialBundlePath", "keyPath", "certificateChainPath"):
                if part.get(key):
                    claim(part[key], part[key])
        if count > 1:
            out.append(forbidden_field(at, "may not specify more than 1 volume type per source"))


def _token(out: Errors, token: Obj, path: str, at: str, options: Options) -> None:
    seconds = token.get("expirationSeconds") or 0
    if seconds < 600:
        out.append(invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > 1 << 32:
        out.append(invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    where = token.get("path") or ""
    if not where:
        out.append(required(f"{path}.path"))
    elif not options.any_token_path:
        local_non_reserved(out, where, f"{path}.path")


def _trust_bundle(out: Errors, bundle: Obj, path: str) -> None:
    name, signer, selector = bundle.get("name"), bundle.get("signerName"), bundle.get("labelSelector")
    if name is not None and signer is not None:
        out.append(invalid(path, goform.of("ClusterTrustBundleProjection", bundle), "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            out.append(required(f"{path}.name", "must be a valid object name"))
        parts = name.split(":")
        owner = ":".join(parts[:-1]).replace(":", "/", 1) if len(parts) > 1 else ""
        for m in trust_bundle_name(owner, name):
            out.append(invalid(f"{path}.name", name, f"not a valid clustertrustbundlename: {m}"))
        if selector is not None:
            out.append(invalid(f"{path}.labelSelector", selector, "labelSelector must be unset if name is specified"))
    elif signer is not None:
        if not signer:
            out.append(required(f"{path}.signerName", "must be a valid signer name"))
        signer_name(out, signer, f"{path}.signerName")
        label_selector(out, selector, f"{path}.labelSelector")
    else:
        out.append(required(path, "either name or signerName must be specified"))
    if not bundle.get("path"):
        out.append(required(f"{path}.path"))
    local_non_reserved(out, bundle.get("path") or "", f"{path}.path")


def _certificate(out: Errors, cert: Obj, path: str) -> None:
    signer_name(out, cert.get("signerName") or "", f"{path}.signerName")
    kind = cert.get("keyType") or ""
    if kind not in _KEY_TYPES:
        out.append(not_supported(f"{path}.keyType", kind, _KEY_TYPES))
    if (seconds := cert.get("maxExpirationSeconds")) is not None:
        if seconds < 3600:
            out.append(invalid(f"{path}.maxExpirationSeconds", seconds, "if provided, maxExpirationSeconds must be >= 3600"))
        elif seconds > 91 * 86400:
            out.append(invalid(f"{path}.maxExpirationSeconds", seconds, "if provided, maxExpirationSeconds must be <= 7862400"))
    paths = [key for key in ("credentialBundlePath", "keyPath", "certificateChainPath") if cert.get(key)]
    for key in paths:
        local_non_reserved(out, cert[key], f"{path}.{key}")
    if not paths:
        out.append(required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"))
    for key in cert.get("userAnnotations") or {}:
        named(out, key, f"{path}.userAnnotations[{key}]", names.qualified_name)
