"""What of Endpoints is mirrored."""

from controllers.endpointslice.mirroring import MAX_ENDPOINTS, desired


def test_a_subset_is_mirrored_up_to_a_number_of_addresses_ready_ones_first() -> None:
    ready = [{"ip": f"10.0.{n // 250}.{n % 250}"} for n in range(MAX_ENDPOINTS - 1)]
    other = [{"ip": f"10.9.0.{n}"} for n in range(3)]
    subset = {"addresses": ready, "notReadyAddresses": other, "ports": [{"port": 80}]}
    by_family, skipped = desired([subset, {"addresses": [{"ip": "fd00::1"}]}])
    assert skipped == 2
    ((endpoints,),) = [list(found.values()) for found, _ in [by_family["IPv4"]]]
    assert [e["conditions"]["ready"] for e in endpoints[-2:]] == [True, False]
    assert len(endpoints) == MAX_ENDPOINTS and set(by_family) == {"IPv4", "IPv6"}
