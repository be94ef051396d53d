"""Transactions between rulesets: what they create, keep and remove."""

from __future__ import annotations

from kubelet.network.rules import Options, build, transaction
from kubelet.network.services import Endpoint, ServicePort

OPTIONS = Options("kubepy_test", "10.244.0.0/16")
ONE, TWO = Endpoint("10.244.0.5", 8080), Endpoint("10.244.0.6", 8080)


def port(*endpoints: Endpoint, affinity: int = 0, node_port: int = 0) -> ServicePort:
    return ServicePort("default", "web", "http", "tcp", 80, node_port, ("10.96.0.20",), (), affinity, endpoints, endpoints)


def test_nothing_changed_means_no_transaction() -> None:
    rules = build([port(ONE)], OPTIONS)
    assert transaction(rules, build([port(ONE)], OPTIONS), "t") == ""


def test_the_first_transaction_replaces_the_table() -> None:
    script = transaction(None, build([port(ONE, TWO)], OPTIONS), OPTIONS.table)
    assert script.startswith("add table ip kubepy_test\ndelete table ip kubepy_test\nadd table ip kubepy_test\n")
    assert "numgen random mod 2" in script
    assert "service_ips { 10.96.0.20 . tcp . 80 : goto svc-" in script


def test_a_removed_endpoint_goes_without_touching_the_rest() -> None:
    script = transaction(build([port(ONE, TWO)], OPTIONS), build([port(ONE)], OPTIONS), "t")
    assert "delete chain ip t ep-" in script and "prerouting" not in script and "element" not in script


def test_a_service_without_endpoints_is_refused() -> None:
    script = transaction(build([port(ONE, node_port=30080)], OPTIONS), build([port(node_port=30080)], OPTIONS), "t")
    assert "delete element ip t service_ips { 10.96.0.20 . tcp . 80 }" in script
    assert "add element ip t no_endpoints { 10.96.0.20 . tcp . 80 : goto refuse }" in script
    assert "add element ip t no_endpoint_ports { tcp . 30080 : goto refuse }" in script


def test_a_port_that_a_service_does_not_have_is_refused_here_and_not_sent_to_the_default_route() -> None:
    rules = build([port(ONE)], OPTIONS)
    assert rules.maps["cluster_ips"] == {"10.96.0.20": "goto refuse"}
    for chain in ("filter_forward", "filter_output"):
        assert rules.chains[chain][-1] == "ct state new ip daddr vmap @cluster_ips"


def test_affinity_sets_survive_a_change_of_endpoints() -> None:
    script = transaction(build([port(ONE, affinity=60)], OPTIONS), build([port(ONE, TWO, affinity=60)], OPTIONS), "t")
    assert "delete set" not in script and script.count("add set") == 1


def test_a_new_affinity_timeout_remakes_the_set_and_its_users() -> None:
    script = transaction(build([port(ONE, affinity=60)], OPTIONS), build([port(ONE, affinity=90)], OPTIONS), "t")
    assert script.index("flush chain") < script.index("delete set") < script.index("add set") < script.index("update @aff-")


def test_a_hidden_client_is_asked_for_where_bridged_replies_bypass_translation() -> None:
    rules = build([port(ONE)], Options("t", "10.244.0.0/16", masquerade_all=True))
    (chain,) = [rules.chains[n] for n in rules.chains if n.startswith("ep-")]
    assert chain[0] == "ip saddr 10.244.0.0/16 jump mark_masquerade"
