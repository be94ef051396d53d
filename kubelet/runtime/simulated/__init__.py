"""A runtime that only pretends: for scale, and for machines without Docker."""
