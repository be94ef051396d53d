"""Services: defaults by type, errors, and what survives a change of type."""

from __future__ import annotations

import pytest


def service(name="s", **spec):
    spec.setdefault("ports", [{"port": 80}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


INVALID = [
    (service(ports=[]), ["spec.ports: Required value"]),
    (service(ports=[{"port": 1}, {"port": 2}]), ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
    (
        service(ports=[{"name": "a", "port": 80}, {"name": "b", "port": 80}]),
        ['spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}'],
    ),
    (
        service(type="Magic"),
        ['spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
    ),
    (service(type="ExternalName", ports=[]), ["spec.externalName: Required value"]),
    (
        service(clusterIP="None", type="NodePort"),
        ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
    ),
    (
        service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 100000}}),
        ["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 100000: must be greater than 0 and less than 86400"],
    ),
    (
        service(externalIPs=["127.0.0.1"]),
        ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ),
    (
        service(loadBalancerSourceRanges=["192.0.2.0/24"]),
        ["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
    ),
]


@pytest.mark.parametrize(("obj", "errors"), INVALID)
def test_invalid(create, obj, errors):
    assert create(obj).errors == errors


def test_defaults(create):
    spec = create(service(type="LoadBalancer", sessionAffinity="ClientIP")).obj["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["externalTrafficPolicy"] == spec["internalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_allocated_values_stay_where_an_update_leaves_them_out(update):
    old = service(type="NodePort", clusterIP="192.0.2.1", clusterIPs=["192.0.2.1"], ports=[{"port": 80, "nodePort": 30000}])
    done = update(old, service(type="NodePort"))
    assert done.errors == []
    assert done.obj["spec"]["clusterIPs"] == ["192.0.2.1"]
    assert done.obj["spec"]["ports"][0]["nodePort"] == 30000


def test_fields_of_the_old_type_go(update):
    old = service(type="NodePort", clusterIP="192.0.2.1", clusterIPs=["192.0.2.1"], ports=[{"port": 80, "nodePort": 30000}])
    new = service(
        type="ExternalName", externalName="x.example", clusterIP="192.0.2.1", clusterIPs=["192.0.2.1"],
        ports=[{"port": 80, "nodePort": 30000}], externalTrafficPolicy="Cluster", internalTrafficPolicy="Cluster",
    )  # fmt: skip
    done = update(old, new)
    assert done.errors == []
    assert done.obj["spec"] == {
        "type": "ExternalName", "externalName": "x.example", "sessionAffinity": "None",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }  # fmt: skip


def test_addresses_do_not_change(update):
    old = service(clusterIP="192.0.2.1", clusterIPs=["192.0.2.1"])
    assert update(old, service(clusterIP="192.0.2.2", clusterIPs=["192.0.2.2"])).errors == [
        'spec.clusterIPs[0]: Invalid value: ["192.0.2.2"]: may not change once set'
    ]


def test_status_needs_a_load_balancer(update):
    new = service()
    new["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    assert update(service(), new, "status").errors == [
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    ]
