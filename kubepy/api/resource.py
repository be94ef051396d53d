"""The types that describe a served resource: `Resource` and `Subresource`. The table of them is kinds.py."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

FULL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Subresource:
    """A subresource such as `status` or `scale`; `group`/`version` are those of its own kind where they differ."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Resource:
    """One served resource: a plural in one group and version.

    `storage_group` names the group under whose prefix objects are stored when several groups serve the same
    objects (events); `storage_version` is the version in which they are stored.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...] = FULL
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    storage_group: str | None = None
    storage_version: str | None = None
    hashed_version: str | None = None
    """The version that storageVersionHash speaks of where upstream stores in one that is not served."""
    selectable_fields: tuple[str, ...] = ()
    """Field labels that a fieldSelector may use besides metadata.name and metadata.namespace, as dotted paths."""
    custom: bool = False

    @cached_property
    def api_version(self) -> str:
        """`v1` or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def list_kind(self) -> str:
        """`PodList`."""
        return f"{self.kind}List"

    @cached_property
    def storage_prefix(self) -> str:
        """`/registry/pods/`, `/registry/apps/deployments/`: where the objects lie, shared by all versions."""
        group = self.storage_group if self.storage_group is not None else self.group
        return f"/registry/{group}/{self.plural}/" if group else f"/registry/{self.plural}/"

    def key(self, namespace: str | None, name: str) -> str:
        """The storage key of one object."""
        return f"{self.storage_prefix}{namespace}/{name}" if self.namespaced else f"{self.storage_prefix}{name}"

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name, or None."""
        return next((s for s in self.subresources if s.name == name), None)

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection or of one object."""
        out = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            out += f"/namespaces/{namespace}"
        out += f"/{self.plural}"
        for part in (name, subresource):
            if part:
                out += f"/{part}"
        return out

    @cached_property
    def storage_version_hash(self) -> str:
        """APIResource.storageVersionHash: equal for all versions that share storage; empty where nothing is stored.

        Upstream: apiserver pkg/endpoints/discovery/storageversionhash.go.
        """
        if "list" not in self.verbs or "create" not in self.verbs:
            return ""
        group = self.storage_group if self.storage_group is not None else self.group
        text = f"{group}/{self.hashed_version or self.storage_version or self.version}/{self.kind}"
        return b64encode(sha256(text.encode()).digest()[:8]).decode()

    @cached_property
    def qualified(self) -> str:
        """`pods` or `deployments.apps`: a name that `kinds.resource` understands, and that upstream's messages print."""
        return f"{self.plural}.{self.group}" if self.group else self.plural
