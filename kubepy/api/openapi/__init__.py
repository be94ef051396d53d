"""OpenAPI v2 and v3 of what the server serves, built from the table of kinds, the type definitions and CRDs. Pure."""

from kubepy.api.openapi.documents import Answer, Documents, Source

__all__ = ["Answer", "Documents", "Source"]
