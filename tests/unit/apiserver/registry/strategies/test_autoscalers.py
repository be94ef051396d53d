"""What scaling behaviour has where little is said."""

import pytest

from apiserver.registry.strategies import STRATEGIES
from kubepy.api.schema import decoder_for, node_for


@pytest.mark.parametrize("key", ["scaleUp", "scaleDown"])
@pytest.mark.parametrize(("rules", "refused"), [({"policies": []}, True), ({"policies": None}, False), ({}, False)])
def test_an_empty_list_of_policies_is_refused_not_defaulted(key, rules, refused):
    kind = "HorizontalPodAutoscaler"
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}, "maxReplicas": 3, "behavior": {key: rules}}
    sent = {"apiVersion": "autoscaling/v2", "kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": spec}
    obj = decoder_for(node_for("autoscaling/v2", kind)).decode(sent).obj
    strategy = STRATEGIES["autoscaling", "horizontalpodautoscalers"]
    strategy.default(obj)
    texts = [str(e) for e in strategy.validate(obj)]
    assert texts == ([f"spec.behavior.{key}.policies: Required value: must specify at least one Policy"] if refused else [])
