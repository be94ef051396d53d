"""APIServices: local ones registered for what this server serves, remote ones checked and proxied to (kube-aggregator)."""
