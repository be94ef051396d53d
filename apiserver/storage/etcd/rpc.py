"""How a gRPC call fails. Status codes as numbers (google.golang.org/grpc/codes)."""

from __future__ import annotations

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = range(6)
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = range(8, 15)


class RpcError(Exception):
    """A call that ended with another status than OK."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(f"{details} (code {code})")
        self.code = code
        self.details = details


class NeverSent(RpcError):
    """A call that certainly did not reach the server."""

    def __init__(self, details: str) -> None:
        super().__init__(UNAVAILABLE, details)
