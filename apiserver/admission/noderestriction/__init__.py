"""NodeRestriction: what nodes may write (plugin/pkg/admission/noderestriction)."""

from apiserver.admission.noderestriction.plugin import NodeRestriction

__all__ = ["NodeRestriction"]
