"""etcd v3 as the store, over a gRPC client of its own. Nothing outside this package imports hpack."""

from apiserver.storage.etcd.member import TLS
from apiserver.storage.etcd.storage import EtcdStorage

__all__ = ["TLS", "EtcdStorage"]
