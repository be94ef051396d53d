"""Subresources that need more than the generic verbs: one module each, joined in table.py."""
