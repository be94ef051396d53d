"""Probes of running containers: how to ask (checks) and when, and what follows (prober)."""
