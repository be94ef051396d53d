"""The Dangling condition follows the priority level it is about."""

from __future__ import annotations

from apiserver.bootstrap.flowstatus import GROUP, FlowStatus
from tests.support.admission import FakeRegistry
from tests.support.lister import FakeLister


def condition(lister: FakeLister) -> tuple[str, str]:
    schema = lister.get(GROUP, "flowschemas", None, "s")
    assert schema is not None
    (found,) = schema["status"]["conditions"]
    return found["status"], found["reason"]


async def test_dangling() -> None:
    schema = {"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "l"}}}
    lister = FakeLister((GROUP, "flowschemas", schema))
    registry = FakeRegistry(lister)
    status = FlowStatus(registry, lister)
    await status.repair()
    assert condition(lister) == ("True", "NotFound")
    lister.put(GROUP, "prioritylevelconfigurations", {"metadata": {"name": "l"}})
    await status.repair()
    assert condition(lister) == ("False", "Found")
    writes = registry.writes
    await status.repair()
    await status.repair()
    assert registry.writes == writes
