"""Admission webhooks: whom to ask, how, and what to make of the answers."""
