"""HTTP and its verbs: from a raw request to a call on the registry, and back to bytes."""
