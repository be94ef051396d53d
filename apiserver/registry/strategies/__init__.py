"""One small file per kind that needs behaviour of its own. Pure."""
