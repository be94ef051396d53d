"""Pods on a Docker engine. The only package that imports the Docker client."""
