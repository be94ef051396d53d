"""etcd v3 as the store. Nothing outside this package imports grpc or aetcd."""

from apiserver.storage.etcd.connection import TLS
from apiserver.storage.etcd.storage import EtcdStorage

__all__ = ["TLS", "EtcdStorage"]
