"""The wire protocols of exec, attach and port-forward, without I/O: bytes in, events and bytes out."""
