"""NodeDeclaredFeatureValidator: a bound pod is resized only where its node is known."""

from __future__ import annotations

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import UPDATE, BasePlugin, deny


class NodeDeclaredFeatureValidator(BasePlugin):
    """Upstream: plugin/pkg/admission/nodedeclaredfeatures, as far as its answers are recorded: features are not compared."""

    name = "NodeDeclaredFeatureValidator"
    operations = frozenset((UPDATE,))
    resources = frozenset((("", "pods"),))
    subresources = frozenset(("resize",))

    async def validate(self, a: Attributes) -> None:
        """Refuse a change of the spec when the node is gone."""
        assert a.obj is not None and a.old is not None
        node = a.obj["spec"].get("nodeName")
        if not node or a.obj["metadata"].get("generation") == a.old["metadata"].get("generation"):
            return
        if self.lister.get("", "nodes", None, node) is None:
            raise deny(a, f'node "{node}" not found')
