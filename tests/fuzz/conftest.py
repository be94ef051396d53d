"""One API server for all hostile clients of the run. Whatever they did, it must be well and not have grown at the end.

KUBEPY_FUZZ=N multiplies how many inputs are tried (1: within a minute).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.fuzz.door import Door
from tests.integration.conftest import ApiServer

EFFORT = int(os.environ.get("KUBEPY_FUZZ", "1"))

settings.register_profile(
    "fuzz",
    # The same inputs every time by default: a longer run looks further.
    derandomize=EFFORT == 1,
    deadline=None,
    database=None,
    print_blob=False,
    phases=[Phase.explicit, Phase.generate] if EFFORT == 1 else [Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The server under attack; it has a namespace `fuzz`."""
    server = ApiServer(tmp_path_factory.mktemp("apiserver"))
    server.start()
    try:
        with server.http() as http:
            http.post("/api/v1/namespaces", json={"metadata": {"name": "fuzz"}}).raise_for_status()
            account = {"metadata": {"name": "default"}}
            assert http.post("/api/v1/namespaces/fuzz/serviceaccounts", json=account).status_code == 201
        yield server
        with server.http() as http:
            assert http.get("/readyz").status_code == 200, server.log
        assert "Traceback" not in server.log, server.log[-4000:]
    finally:
        server.stop()


@pytest.fixture(scope="session")
def door(server: ApiServer) -> Iterator[Door]:
    """Connections to the server."""
    door = Door(server)
    yield door
    door.close()
