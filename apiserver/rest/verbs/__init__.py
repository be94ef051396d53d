"""The verbs on resources, one module each: parse options, call the registry, answer. All policy of a kind is in its Strategy."""
