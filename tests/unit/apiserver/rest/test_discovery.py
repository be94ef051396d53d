"""What discovery offers of the forms that clients ask for."""

import pytest

from apiserver.rest.discovery import _without_transform
from apiserver.rest.negotiate import negotiate
from kubepy.api import errors


@pytest.mark.parametrize("header", [b"application/json;as=Foo", b"application/json;as=Table;v=v1;g=meta.k8s.io"])
def test_unknown_forms_are_not_acceptable_alone(header):
    with pytest.raises(errors.NotAcceptable):
        negotiate(_without_transform(header))
    assert negotiate(_without_transform(header + b",application/json")).media == "application/json"
