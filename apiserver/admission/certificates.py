"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may decide over certificate requests."""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from apiserver.admission.interface import Attributes, Tools
from apiserver.admission.plugin import CREATE, UPDATE, BasePlugin, deny
from apiserver.context import RequestInfo, User
from apiserver.middleware.authz.attributes import Authorizer
from apiserver.registry.pem import parse_request

_GROUP = "certificates.k8s.io"
_CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class _SignerPlugin(BasePlugin):
    operations = frozenset((UPDATE,))
    resources = frozenset(((_GROUP, "certificatesigningrequests"),))

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._authorizer: Authorizer | None = tools.authorizer

    def _require(self, a: Attributes, verb: str) -> None:
        assert a.old is not None
        signer = a.old["spec"].get("signerName", "")
        if self._authorizer is not None and not may_use_signer(self._authorizer, a.ctx.user, verb, signer):
            raise deny(a, f'user not permitted to {verb} requests with signerName "{signer}"')


class CertificateApproval(_SignerPlugin):
    """Upstream: plugin/pkg/admission/certificates/approval."""

    name = "CertificateApproval"
    subresources = frozenset(("approval",))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden."""
        self._require(a, "approve")


class CertificateSigning(_SignerPlugin):
    """Upstream: plugin/pkg/admission/certificates/signing."""

    name = "CertificateSigning"
    subresources = frozenset(("status",))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden, unless neither certificate nor conditions change."""
        assert a.obj is not None
        assert a.old is not None
        new, old = a.obj.get("status") or {}, a.old.get("status") or {}
        if new.get("certificate") != old.get("certificate") or (new.get("conditions") or []) != (old.get("conditions") or []):
            self._require(a, "sign")


class CertificateSubjectRestriction(BasePlugin):
    """Upstream: plugin/pkg/admission/certificates/subjectrestriction."""

    name = "CertificateSubjectRestriction"
    operations = frozenset((CREATE,))
    resources = frozenset(((_GROUP, "certificatesigningrequests"),))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for a client certificate in the group system:masters."""
        assert a.obj is not None
        spec = a.obj["spec"]
        if spec.get("signerName") != _CLIENT_SIGNER:
            return
        try:
            request = parse_request(spec.get("request") or "")
        except ValueError as error:
            raise deny(a, f"failed to parse CSR: {error}") from error
        if any(o.value == "system:masters" for o in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)):
            raise deny(a, f"use of {_CLIENT_SIGNER} signer with system:masters group is not allowed")


def may_use_signer(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Whether `user` has `verb` on the signer by name, or on all of its domain (pkg/certauthorization)."""
    domain = signer.partition("/")[0]
    return any(
        authorizer.authorize(user, RequestInfo(True, "", verb, _GROUP, "*", "signers", name=name))[0] for name in (signer, f"{domain}/*")
    )
