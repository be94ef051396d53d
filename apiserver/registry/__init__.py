"""Objects with rules: generic create, read, update, delete over the store, shaped by a strategy per kind."""
