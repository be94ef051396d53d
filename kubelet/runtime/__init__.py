"""Container runtimes behind one interface. Only `docker/` may import the Docker client."""
