"""Talking to an API server: configuration, verbs by kind, watches, streams."""
