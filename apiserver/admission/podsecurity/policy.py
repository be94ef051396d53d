"""Levels, versions and the namespace labels that set them (pod-security-admission api/helpers.go). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kubepy.api.errors import FieldError, invalid

LEVELS = ("privileged", "baseline", "restricted")
LATEST = 1 << 30
"""The version number that stands for `latest`."""
CURRENT = 36
"""The newest minor version whose rules are known here."""

_PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")


class LevelVersion(NamedTuple):
    """One of LEVELS, and the minor version whose rules it means."""

    level: str
    version: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version == LATEST else f'v1.{self.version}'}"


class Policy(NamedTuple):
    """What is enforced, noted in the audit log, and warned about."""

    enforce: LevelVersion = LevelVersion("privileged")
    audit: LevelVersion = LevelVersion("privileged")
    warn: LevelVersion = LevelVersion("privileged")

    @property
    def fully_privileged(self) -> bool:
        """Whether nothing is looked at."""
        return self.enforce.level == self.audit.level == self.warn.level == "privileged"


def stricter(a: str, b: str) -> bool:
    """Whether level `a` is stricter than `b`."""
    return LEVELS.index(a) > LEVELS.index(b)


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[FieldError]]:
    """The policy that a namespace's labels set. What cannot be read counts as restricted when enforced, else as privileged."""
    errors: list[FieldError] = []
    found: dict[str, LevelVersion] = {}
    given: set[str] = set()
    for mode in ("enforce", "audit", "warn"):
        level, version = "privileged", LATEST
        label = f"{_PREFIX}{mode}"
        if label in labels:
            level = labels[label]
            if level in LEVELS:
                given.add(mode)
            else:
                errors.append(invalid(f"metadata.labels[{label}]", level, f"must be one of {', '.join(LEVELS)}"))
                level = "restricted" if mode == "enforce" else "privileged"
                if mode == "warn":
                    given.add(mode)
        label = f"{_PREFIX}{mode}-version"
        if label in labels:
            given.add(f"{mode}-version")
            match = _VERSION.fullmatch(labels[label])
            if match:
                version = int(match[1])
            elif labels[label] != "latest":
                errors.append(invalid(f"metadata.labels[{label}]", labels[label], 'must be "latest" or "v1.x"'))
        found[mode] = LevelVersion(level, version)
    enforce, warn = found["enforce"], found["warn"]
    # Whoever enforces without a word about warnings gets them at the same level (for workloads, whose pods come later).
    if "warn" not in given and "enforce" in given and stricter(enforce.level, warn.level):
        warn = LevelVersion(enforce.level, warn.version if "warn-version" in given else enforce.version)
    return Policy(enforce, found["audit"], warn), errors
