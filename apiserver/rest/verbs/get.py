"""GET of one object: from the cache, at least as new as asked."""

from __future__ import annotations

from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry
from apiserver.rest import output
from apiserver.rest.request import Request
from kubepy.api import errors


async def until(registry: Registry, version: str) -> None:
    """Let the cache become as new as resourceVersion `version` demands. Raises BadRequest, Timeout."""
    if not version:
        await registry.cacher.fresh()
    elif version != "0":
        await registry.cacher.wait_for(parse_version(version))


def parse_version(version: str) -> int:
    """A resourceVersion as a number; raises a plain error (500), as reads and watches of single versions answer upstream."""
    why = "invalid syntax"
    if version.isascii() and version.isdigit():
        if (number := int(version)) < 1 << 64:
            return number
        why = "value out of range"
    error = errors.invalid("resourceVersion", version, f"strconv.ParseUint: parsing {errors.go_value(version)}: {why}")
    raise errors.StatusError(str(error), reason="")


async def get(registry: Registry, req: Request, served: Served) -> None:
    """Answer with the object, or NotFound."""
    cacher = registry.cacher
    info = req.info
    if b"resourceVersion=" in req.query_string:
        values = req.query.get("resourceVersion")
        await until(registry, values[0] if values else "")
    else:
        await cacher.fresh()
    resource = served.resource
    entry = cacher.get(resource.storage_prefix, resource.key(info.namespace, info.name))
    if entry is None:
        raise errors.NotFound.of(resource.group, resource.plural, info.name)
    if req.accept.transform:
        output.check_transform(req, served, is_list=False)
    await output.send_entry(req, served, 200, entry)
