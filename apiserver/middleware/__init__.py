"""What happens to a request before it is served: who, whether, how many, and the record of it."""
