"""Administrators' access to devices needs a namespace that is marked for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from apiserver.registry.hooks.adminaccess import AdminAccessHooks
from kubepy.api import errors

ASKING = {"devices": {"requests": [{"firstAvailable": [{"name": "a"}]}, {"exactly": {"adminAccess": True}}]}}


def create(kind, spec, labels):
    lister = SimpleNamespace(get=lambda *_: {"metadata": {"labels": labels}})
    asyncio.run(AdminAccessHooks(lister, kind).before_create(None, {"metadata": {"name": "x", "namespace": "n"}, "spec": spec}))


@pytest.mark.parametrize(("kind", "spec"), [("ResourceClaim", ASKING), ("ResourceClaimTemplate", {"spec": ASKING})])
def test_label_decides(kind, spec):
    create(kind, spec, {"resource.kubernetes.io/admin-access": "true"})
    for labels in (None, {}, {"resource.kubernetes.io/admin-access": "false"}):
        with pytest.raises(errors.Invalid, match=r"requests\[1\]\.adminAccess: Forbidden: admin access to devices requires"):
            create(kind, spec, labels)


def test_others_need_none():
    create("ResourceClaim", {"devices": {"requests": [{"exactly": {"deviceClassName": "c"}}]}}, None)
