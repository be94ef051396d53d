"""The kubepy command: starts, stops and inspects a cluster on this machine."""
