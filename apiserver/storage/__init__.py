"""The store and the watch cache in front of it. Must not know what an object means.

interface  what a store offers: revisioned bytes under keys      sqlite/, etcd/  the two stores
cacher     the watch cache: reads, watches                        compactor       forgets history on schedule
shard      one storage prefix: index (objects), window (recent changes), fanout (watchers)
entry, events, watcher   what readers get;  freshness  linearizable reads;  keys  how keys name objects
"""
