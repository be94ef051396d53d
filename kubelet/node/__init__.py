"""The Node object: registration, status, lease; and what this machine has to offer."""
