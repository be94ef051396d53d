"""The four patch types of the Kubernetes API, as pure functions."""
