"""The Kubernetes API as data and pure functions. No I/O, no clock, no asyncio."""
