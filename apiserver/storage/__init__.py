"""The store and the watch cache in front of it. Must not know what an object means."""
