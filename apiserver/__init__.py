"""The API server: rest, then admission, then registry, then storage. Nobody else touches the store."""
