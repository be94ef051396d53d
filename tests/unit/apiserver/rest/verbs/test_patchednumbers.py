"""Floats where a strategic merge patch meets integers."""

from types import SimpleNamespace

import pytest

from apiserver.rest.verbs import patched
from kubepy.api import errors
from kubepy.api.schema import decoder_for, node_for


def decode(number, *, strategic=True):
    obj = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": number, "targetPort": number}]}}
    refuse = patched.converting(str) if strategic else None
    req = SimpleNamespace(ctx=SimpleNamespace(field_validation="Warn", warn=print))
    return patched.decoded(req, decoder_for(node_for("v1", "Service")), obj, None, str, refuse).obj["spec"]["ports"][0]


def test_floats_without_a_fraction_are_integers():
    assert decode(80.0).items() >= {"port": 80, "targetPort": 80}.items()
    assert type(decode(80.0)["port"]) is int


@pytest.mark.parametrize(("number", "strategic"), [(80.5, True), (80.0, False)])
def test_others_are_not(number, strategic):
    with pytest.raises(errors.Invalid):
        decode(number, strategic=strategic)
