"""Every test of this folder runs once per backend."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from apiserver.storage.interface import Storage
from tests.contract.storage.backends import MAKERS, Backend, Etcd

_numbers = itertools.count(1)

BACKENDS = [
    "sqlite",
    pytest.param("etcd", marks=[pytest.mark.etcd, pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd binary")]),
]


@pytest.fixture(scope="session")
def shared_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    backend = Etcd(tmp_path_factory.mktemp("etcd"))
    yield backend
    backend.close()


@pytest.fixture(params=BACKENDS)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend that other tests may use, too: do not restart it."""
    if request.param == "etcd":
        yield request.getfixturevalue("shared_etcd")
    else:
        backend = MAKERS[request.param](tmp_path)
        yield backend
        backend.close()


@pytest.fixture(params=BACKENDS)
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend that this test may kill."""
    backend = MAKERS[request.param](tmp_path)
    yield backend
    backend.close()


@pytest.fixture
async def storage(shared: Backend) -> AsyncIterator[Storage]:
    store = shared.open()
    await store.start()
    yield store
    await store.close()


@pytest.fixture
def root() -> str:
    """A prefix that no other test uses."""
    return f"/registry/tests{next(_numbers)}/"
