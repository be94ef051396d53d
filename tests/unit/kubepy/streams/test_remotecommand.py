"""Options, negotiation, statuses."""

from __future__ import annotations

import orjson
import pytest

from kubepy.streams import portforward, remotecommand
from kubepy.streams.remotecommand import Options


def test_options_as_both_servers_spell_them() -> None:
    assert Options.of({"stdin": "true", "stdout": "1", "stderr": "true"}) == Options(True, True, True, False)
    assert Options.of({"output": "1", "error": "1", "tty": "1"}) == Options(False, True, False, True)
    with pytest.raises(ValueError, match="at least 1 of"):
        Options.of({"tty": "1"})


def test_streams_to_wait_for() -> None:
    options = Options(True, True, False, True)
    assert remotecommand.streams(options, "v4.channel.k8s.io") == {"error", "stdin", "stdout", "resize"}
    assert remotecommand.streams(options, "v2.channel.k8s.io") == {"error", "stdin", "stdout"}


def test_the_clients_order_decides() -> None:
    ours = remotecommand.WEBSOCKET_PROTOCOLS
    assert remotecommand.negotiate(["v9", "v4.channel.k8s.io", "v5.channel.k8s.io"], ours) == "v4.channel.k8s.io"
    assert remotecommand.negotiate(["v9"], ours) is None


def test_the_end_is_told_as_kubectl_reads_it() -> None:
    assert orjson.loads(remotecommand.status_of_exit(0)) == {"metadata": {}, "status": "Success"}
    failed = orjson.loads(remotecommand.status_of_exit(7))
    assert failed["reason"] == "NonZeroExitCode" and failed["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]


@pytest.mark.parametrize(("data", "size"), [(b'{"Width":80,"Height":24}', (80, 24)), (b"{}", None), (b"x", None)])
def test_resizes(data: bytes, size: tuple[int, int] | None) -> None:
    assert remotecommand.parse_resize(data) == size


def test_pairs_of_port_forward() -> None:
    pairs = portforward.Pairs()
    assert pairs.add(1, {"streamtype": "error", "port": "80", "requestid": "0"}) is None
    assert pairs.add(3, {"streamtype": "error", "port": "81", "requestid": "1"}) is None
    found = pairs.add(5, {"streamtype": "data", "port": "80", "requestid": "0"})
    assert found == portforward.Pair(80, 5, 1)
    for headers in ({"streamtype": "x", "port": "1"}, {"streamtype": "data", "port": "0"}, {"streamtype": "data", "port": "x"}):
        with pytest.raises(ValueError):
            pairs.add(7, headers)
