"""Pods of one node: what to do next (plan, pure), how they stand (status, pure), and one worker per pod that does it."""
