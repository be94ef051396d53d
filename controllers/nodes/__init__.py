"""Controllers of nodes and of the pods on them: addresses, health, taints, eviction, clean-up. taints is pure."""
