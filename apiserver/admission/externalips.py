"""DenyServiceExternalIPs: nobody may claim addresses for a Service that are not the cluster's. Off by default."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import BasePlugin, deny


class DenyServiceExternalIPs(BasePlugin):
    """Upstream: plugin/pkg/admission/network/denyserviceexternalips."""

    name = "DenyServiceExternalIPs"
    default_on = False
    resources = frozenset((("", "services"),))

    async def validate(self, a: Attributes) -> None:
        """Raises Forbidden for addresses that the Service did not have."""
        wanted = set(((a.obj or {}).get("spec") or {}).get("externalIPs") or ())
        had = set(((a.old or {}).get("spec") or {}).get("externalIPs") or ())
        if not wanted <= had:
            raise deny(a, "Use of external IPs is denied by admission control")
