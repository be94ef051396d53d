"""PodSecurity: namespaces say by label which of the Pod Security Standards hold in them."""

from apiserver.admission.podsecurity.plugin import PodSecurity

__all__ = ["PodSecurity"]
