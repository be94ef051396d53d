"""Cluster DNS: what names mean (zone, pure) and who answers (server)."""
