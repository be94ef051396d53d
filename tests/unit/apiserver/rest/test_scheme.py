"""Request bodies of another kind, version or group than the endpoint's."""

import pytest

from apiserver.context import SYSTEM_USER, Context, RequestInfo
from apiserver.registry.builtin import built_in
from apiserver.registry.catalog import Catalog
from apiserver.rest.body import check_kind
from kubepy.api import errors

_LEGACY = "pkg/api/legacyscheme/scheme.go:30"
_DEFINITIONS = "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55"
_AGGREGATOR = "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28"


def context() -> Context:
    return Context(SYSTEM_USER, RequestInfo(True, "/", "create"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    out = Catalog()
    out.add(*built_in({}, {}))
    return out


def _unknown(given: str, version: str, wanted: str, scheme: str) -> str:
    text = f'no kind "{given}" is registered for version "{version}" in scheme "{scheme}"'
    return f'{given} in version "{version.rpartition("/")[2]}" cannot be handled as a {wanted}: {text}'


def _unlike(given: str, package: str, wanted: str, internal: str, version: str = "") -> str:
    text = f"converting ({package}.{given}) to ({internal}.{wanted}): unknown conversion"
    return f'{given} in version "{version or package}" cannot be handled as a {wanted}: {text}'


def _other(given: str, wanted: str) -> str:
    return f"the API version in the data ({given}) does not match the expected API version ({wanted})"


@pytest.mark.parametrize(
    ("wanted", "given", "text"),
    [
        (("v1", "ConfigMap"), ("apps/v1", "ConfigMap"), _unknown("ConfigMap", "apps/v1", "ConfigMap", _LEGACY)),
        (("v1", "ConfigMap"), ("v2", "ConfigMap"), _unknown("ConfigMap", "v2", "ConfigMap", _LEGACY)),
        (("v1", "ConfigMap"), ("v1", "Nope"), _unknown("Nope", "v1", "ConfigMap", _LEGACY)),
        (("v1", "ConfigMap"), ("v1", "Secret"), _unlike("Secret", "v1", "ConfigMap", "core")),
        (("v1", "ConfigMap"), ("v1", "ConfigMapList"), _unlike("ConfigMapList", "v1", "ConfigMap", "core")),
        (("v1", "ConfigMap"), ("v1", "DeleteOptions"), _unlike("DeleteOptions", "v1", "ConfigMap", "core")),
        (("v1", "ConfigMap"), ("v1", "Status"), _unlike("Status", "v1", "ConfigMap", "core")),
        (("apps/v1", "Deployment"), ("extensions/v1beta1", "Deployment"), _other("extensions/v1beta1", "apps/v1")),
        (("apps/v1", "Deployment"), ("v1", "Deployment"), _unknown("Deployment", "v1", "Deployment", _LEGACY)),
        (
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"),
            _other("apiextensions.k8s.io/v1beta1", "apiextensions.k8s.io/v1"),
        ),
        (
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("v1", "ConfigMap"),
            _unknown("ConfigMap", "v1", "CustomResourceDefinition", _DEFINITIONS),
        ),
        (("apps/v1", "Deployment"), ("__internal", "ConfigMap"), _unlike("ConfigMap", "core", "Deployment", "apps", "__internal")),
        (("apps/v1", "Deployment"), ("apps/__internal", "Deployment"), _other("apps/__internal", "apps/v1")),
        (("apiregistration.k8s.io/v1", "APIService"), ("v1", "APIService"), _unknown("APIService", "v1", "APIService", _AGGREGATOR)),
    ],
)
def test_wrong_kinds(catalog: Catalog, wanted: tuple[str, str], given: tuple[str, str], text: str) -> None:
    version, kind = wanted
    with pytest.raises(errors.BadRequest) as caught:
        check_kind(context(), {"apiVersion": given[0], "kind": given[1]}, kind, version, catalog, [])
    assert str(caught.value) == text


def test_the_right_kind_is_filled_in(catalog: Catalog) -> None:
    obj: dict[str, str] = {}
    check_kind(context(), obj, "ConfigMap", "v1", catalog, [])
    assert obj == {"kind": "ConfigMap", "apiVersion": "v1"}
