"""Subresources that are shown, but not as a table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apiserver.registry.builtin import built_in
from apiserver.rest import negotiate
from apiserver.rest.subresources.table import Subresources
from kubepy.api import errors

TABLE = b"application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("plural", "subresource", "refused"),
    [("pods", "resize", True), ("resourceclaims", "status", True), ("pods", "status", False), ("deployments", "status", False)],
)
async def test_some_have_no_table(monkeypatch: pytest.MonkeyPatch, plural: str, subresource: str, refused: bool) -> None:
    async def get(_registry: Any, _req: Any, _served: Any) -> None:
        raise LookupError

    monkeypatch.setattr("apiserver.rest.subresources.table.get", get)
    served = next(s for s in built_in({}, {}) if s.resource.plural == plural)
    api: Any = SimpleNamespace(registry=None, ownership=None)
    req: Any = SimpleNamespace(accept=negotiate.negotiate(TABLE), headers={b"accept": TABLE})
    lister: Any = None
    handler = Subresources(api, lister, {}).find(served, subresource, "GET")
    assert handler is not None
    with pytest.raises(errors.NotAcceptable if refused else LookupError):
        await handler(api, req, served)
